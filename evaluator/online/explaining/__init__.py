"""Why a target was, or was not, scored."""
