"""The language of Fieldwright: what a pack may declare, and what it means.

No driver, no HTTP, no import of `engine`.
"""
