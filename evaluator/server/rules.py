"""`evaluator.v1.Rules`: parse, call, render."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from evaluator.online.rules.catalogue import Rules
from evaluator.server import convert_definitions as convert
from evaluator.server import pages
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidRequest
from evaluator.server.ports import CountsFunnels, PreviewsRules, TestsRules
from evaluator.v1 import rules_pb2 as pb
from evaluator.v1 import rules_pb2_grpc


class RulesServicer(rules_pb2_grpc.RulesServicer):
    """Standing instructions."""

    def __init__(
        self,
        rules: Rules,
        *,
        previews: PreviewsRules | None = None,
        funnels: CountsFunnels | None = None,
        tests: TestsRules | None = None,
    ) -> None:
        self._rules = rules
        self._previews = previews
        self._funnels = funnels
        self._tests = tests

    async def CreateRule(self, request: pb.CreateRuleRequest, context: Any) -> pb.Rule:
        """See the proto, here and below."""
        rule = convert.rule(request.rule)
        return convert.rule_to_proto(await self._rules.create(rule, request_id=request_id(request.request_id)))

    async def GetRule(self, request: pb.GetRuleRequest, context: Any) -> pb.Rule:
        return convert.rule_to_proto(await self._rules.get(_named(request.name)))

    async def ListRules(self, request: pb.ListRulesRequest, context: Any) -> pb.ListRulesResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        records = await self._rules.live(after=pages.name_after(query, request.page_token), limit=limit + 1)
        page = records[:limit]
        return pb.ListRulesResponse(
            rules=[convert.rule_to_proto(record) for record in page],
            next_page_token=pages.to_token(query, [page[-1].definition.name]) if len(records) > limit else "",
        )

    async def UpdateRule(self, request: pb.UpdateRuleRequest, context: Any) -> pb.Rule:
        base_version = convert.base_version(request.base_version, required=True)
        edit = request.rule
        if request.update_mask.paths:
            current = await self._rules.get(_named(edit.name, "rule.name"))
            edit = convert.masked(convert.rule_to_proto(current), edit, request.update_mask)
        record = await self._rules.update(
            convert.rule(edit), base_version=base_version, request_id=request_id(request.request_id)
        )
        return convert.rule_to_proto(record)

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> Empty:
        base_version = convert.base_version(request.base_version, required=False)
        await self._rules.delete(
            _named(request.name), base_version=base_version or None, request_id=request_id(request.request_id)
        )
        return Empty()

    async def EnableRule(self, request: pb.EnableRuleRequest, context: Any) -> pb.Rule:
        request_id(request.request_id)
        return convert.rule_to_proto(await self._rules.enable(_named(request.name)))

    async def DisableRule(self, request: pb.DisableRuleRequest, context: Any) -> pb.Rule:
        request_id(request.request_id)
        return convert.rule_to_proto(await self._rules.disable(_named(request.name)))

    async def PreviewRule(self, request: pb.PreviewRuleRequest, context: Any) -> pb.PreviewRuleResponse:
        if self._previews is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server previews no rules")
            raise AssertionError("abort raises")
        return await self._previews.preview(request)

    async def GetRuleFunnel(self, request: pb.GetRuleFunnelRequest, context: Any) -> pb.RuleFunnel:
        _named(request.name)
        if self._funnels is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server counts no funnels")
            raise AssertionError("abort raises")
        return await self._funnels.funnel(request)

    async def TestRule(self, request: pb.TestRuleRequest, context: Any) -> AsyncIterator[pb.TestRuleResponse]:
        _named(request.name)
        if self._tests is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server tests no rules")
            raise AssertionError("abort raises")
        async for stage in self._tests.test(request):
            yield stage


def _named(name: str, field: str = "name") -> str:
    if not name:
        raise InvalidRequest(field, "is required")
    return name
