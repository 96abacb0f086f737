"""A news classifier: which of four topics is a short text about?"""
