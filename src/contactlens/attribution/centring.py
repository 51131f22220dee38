"""Contributions relative to the mean over the letters of a place."""

from typing import Any, TypeVar

Values = TypeVar("Values", bound=Any)


def centred(hypothetical: Values) -> Values:
    """Hypothetical contributions (..., letters), an array or a tensor, less their mean over the letters.

    Letters lie on a simplex: the component of a gradient common to all of them points out of it and says nothing about
    the sequence. Source: Majdandzic et al., Genome Biology 24 (2023) 109. What is centred already stays as it is.
    """
    return hypothetical - hypothetical.mean(-1, keepdims=True)
