"""What the translator refuses as a whole.  Single spans or records are refused by count: `Translated.rejected`."""


class Malformed(ValueError):
    """The body is not an OTLP request in the encoding it claims; the message says where, as far as that is known."""


class TooLarge(ValueError):
    """The rows of the request would need more memory than the limit, although its bytes do not."""
