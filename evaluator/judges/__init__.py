"""Judges: the port, the adapters (OpenAI wire, litellm), retries, prices, and the scripted judge that ships.

`choose.Judges` is what the rest of the evaluator is given; nothing else here is needed to ask a question.
"""
