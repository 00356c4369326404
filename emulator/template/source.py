"""Reading a template's YAML: CloudFormation's short tags, and the line of every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from emulator.template.errors import TemplateError

MAX_TEMPLATE_BYTES = 1_000_000


class Map(dict[str, Any]):
    """A YAML mapping that knows the line it starts on and the line of each of its keys."""

    def __init__(self, line: int = 0) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        """Set `key`, remembering the line it was written on."""
        self[key] = value
        self.lines[key] = line

    def line_of(self, key: str) -> int:
        """Return the line of `key`, or the mapping's own when the key is absent."""
        return self.lines.get(key, self.line)


class _Loader(yaml.SafeLoader):
    """SafeLoader, but dates stay text and mappings are `Map`s."""

    def construct_map(self, node: yaml.MappingNode) -> Map:
        self.flatten_mapping(node)
        result = Map(_line(node))
        for key_node, value_node in node.value:
            # A key is what is written: to YAML 1.1, `No` and `On` would be false and true.
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem("a key must be text", key_node)
            key = _checked(str(key_node.value), key_node)
            if key in result:
                raise _problem(f"the key {key} is written twice", key_node)
            result.put(key, self.construct_object(value_node, deep=True), _line(key_node))
        return result

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        return _checked(super().construct_scalar(node), node)

    def construct_short_form(self, suffix: str, node: yaml.Node) -> Map:
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            assert isinstance(node, yaml.MappingNode)
            value = self.construct_map(node)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        result = Map(_line(node))
        result.put(name, value, _line(node))
        return result


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_map)
_Loader.add_multi_constructor("!", _Loader.construct_short_form)


def read(path: Path) -> Map:
    """Return the template's mapping; raise TemplateError if it cannot be read or is no mapping."""
    try:
        if path.stat().st_size > MAX_TEMPLATE_BYTES:
            raise TemplateError(path, None, "the template is larger than AWS's 1 MB")
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise TemplateError(path, None, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(path, None, "it is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TemplateError(path, line, f"this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TemplateError(path, None, f"this is not YAML: {error}") from error
    if not isinstance(tree, Map):
        raise TemplateError(path, 1, "a template is a mapping with the key Resources")
    return tree


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _checked(value: Any, node: yaml.Node) -> Any:
    """Return a scalar; half a surrogate pair, written as an escape, is no text."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _problem("this text is no Unicode", node) from None
    return value


def _problem(sentence: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, sentence, node.start_mark)
