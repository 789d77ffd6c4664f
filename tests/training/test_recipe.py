"""Recipes: what they say, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from magpie.errors import ConfigError, FormatError, MagpieError, NotFoundError
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import METHODS, method_class
from magpie.training.library import list_recipes, recipe_path, recipes_folder
from magpie.training.recipe import (
    check_protocol,
    default_protocol,
    parse_recipe,
    read_recipe,
)

TEXT = """\
method: mmner-model
config:
  text: tiny-bert
  vision: tiny-vit
  fusion: gated
data:
  corpus: twitter2017
  dev: twitter2015@tmr:train
loop:
  epochs: 4
  batch: 8
optimiser:
  rate: 1e-4
seeds: [3, 5]
"""

SHIPPED = [each.name for each in list_recipes()]
#: tiny twins of every kind of backbone that a configuration may name
TINY = {"text": "tiny-bert", "vision": "tiny-vit"}
#: what else a method needs to be small
SMALL = {
    name: ["config.vision=tiny-clip", "config.fusion_layers=1"]
    for name in ("mkgformer", "mkgformer-re", "moreformer")
} | {
    name: ["config.vision=tiny-resnet"]
    for name in ("umgf", "hvpnet", "hvpnet-re", "tmr-re", "tmr-ner", "camim")
}
_ASKS = "config.grounder.text=tiny-bert"
_TAGS = "config.tagger.text=tiny-bert"
SMALL |= {
    "gvatt-evg": [_ASKS, "config.tagger.text=tiny-words"],
    "umt-evg": [_ASKS, _TAGS],
    "umgf-evg": [_ASKS, _TAGS, "config.tagger.vision=tiny-resnet"],
    "ita-evg": [_ASKS, _TAGS],
    "h-index": ["config.seq2seq=tiny-bart"],
    "tiger": ["config.seq2seq=tiny-t5"],
}


def test_every_key_reaches_its_place() -> None:
    recipe = parse_recipe(TEXT, ["selection.patience=2", "save_every=10"])
    assert recipe.config.to_dict()["fusion"] == "gated"
    (stage,) = recipe.stages
    assert (stage.name, stage.train) == ("main", ())
    assert (stage.loop.epochs, stage.loop.batch, stage.loop.seed) == (4, 8, 3)
    assert stage.loop.optimiser.rate == 1e-4  # YAML reads 1e-4 as a text
    assert recipe.seeds == (3, 5)
    assert recipe.selection.patience == 2
    assert recipe.save_every == 10
    assert recipe.protocol == "ner-span-conll@1"
    assert recipe.data.ref("train") == "twitter2017:train"
    assert recipe.data.ref("dev") == "twitter2015@tmr:train"
    assert recipe.data.ref("test") == "twitter2017:test"


def test_what_is_written_reads_back_equal() -> None:
    recipe = parse_recipe(TEXT, ["loop.epochs=9"])
    again = parse_recipe(recipe.to_yaml())
    assert again == recipe
    assert again.stages[0].loop.epochs == 9
    assert recipe.digest == again.digest == recipe.with_seed(8).digest
    assert recipe.digest != parse_recipe(TEXT).digest
    assert recipe.with_seed(8).stages[0].loop.seed == 8


def test_a_seed_replaces_the_recipes() -> None:
    assert parse_recipe(TEXT, seed=11).seeds == (11,)


@pytest.mark.parametrize(
    ("override", "where", "message"),
    [
        ("loop.epoch=3", "r.yaml:9 loop.epoch", "Did you mean 'epochs'?"),
        ("loops.epochs=3", "r.yaml loops", "Did you mean 'loop'?"),
        ("selection.part=mnr", "r.yaml selection.part", "ner-span-conll@1 has no part 'mnr'"),
        ("config.fusion=gate", "r.yaml:2 config.fusion", "cross_attn, gated, concat_cls"),
        ("config.fusion=gate", "r.yaml:2 config.fusion", "Did you mean 'gated'?"),
        ("config.width=7", "r.yaml:2 config", "must divide width"),
        ("config.layers=1.5", "r.yaml:2 config.layers", "expected a whole number, got 1.5"),
        ("config.freeze_vit=1", "r.yaml:2 config.freeze_vit", "expected true or false, got 1"),
        ("optimiser.rate=fast", "r.yaml:12 optimiser.rate", "expected a number, got 'fast'"),
        ("optimiser.rate=-1", "r.yaml:12 optimiser", "need rate > 0"),
        ("loop.batch=0", "r.yaml:9 loop", "batch must be at least 1"),
        ("data.limit=0", "r.yaml:6 data", "limit must be at least 1, got 0"),
        ("data.corpus=null", "r.yaml:6 data", "no data to train on"),
        ("data.pictures=requird", "r.yaml:6 data.pictures", "Did you mean 'required'?"),
        ("seeds=[1, 1]", "r.yaml", "different numbers"),
        ("seeds=[]", "r.yaml", "different numbers"),
        ("method=umtt", "r.yaml method", "Did you mean umt"),
        ("method=3", "r.yaml method", "expected the name of a method"),
        ("selection.protocol=gmner-iou50@1", "r.yaml selection.protocol", "scores gmner"),
        ("selection.every=0", "r.yaml selection", "at least 1"),
        ("stages=[]", "r.yaml stages", "expected a list of stages"),
        ("stages=[{name: a}, {name: a}]", "r.yaml stages", "two stages share a name: a, a"),
        ("stages=[{nam: a}]", "r.yaml stages.0.nam", "Did you mean 'name'?"),
        ("stages=[{loop: {batch: 0}}]", "r.yaml stages.0.loop", "batch must be at least 1"),
        ("save_every=0", "r.yaml", "save_every must be at least 1"),
    ],
)
def test_refusals_name_the_key(override: str, where: str, message: str) -> None:
    with pytest.raises(MagpieError) as caught:
        parse_recipe(TEXT, [override], file="r.yaml")
    assert caught.value.where.startswith(where)
    assert message in str(caught.value)
    assert caught.value.code in ("config-value", "not-found")


def test_a_value_in_the_file_is_found_by_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(TEXT.replace("epochs: 4", "epochs: four"), file="r.yaml")
    assert caught.value.where == "r.yaml:10 loop.epochs"


def test_files_that_are_no_recipes() -> None:
    with pytest.raises(FormatError, match="not valid YAML") as caught:
        parse_recipe("method: [1, 2", file="r.yaml")
    assert caught.value.where.startswith("r.yaml:")
    with pytest.raises(FormatError, match="expected a mapping"):
        parse_recipe("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="the key stands twice") as twice:
        parse_recipe(TEXT + "seeds: [1]\n", file="r.yaml")
    assert twice.value.where == "r.yaml:15 seeds"
    with pytest.raises(ConfigError, match=r"key\.path=value"):
        parse_recipe(TEXT, ["loop.epochs"])
    with pytest.raises(ConfigError, match="no keys below"):
        parse_recipe(TEXT, ["method.name=umt"])


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"about: \xff\n")
    with pytest.raises(FormatError, match="UTF-8"):
        read_recipe(tmp_path / "r.yaml")


def test_stages_stand_on_the_recipes_own_loop() -> None:
    recipe = parse_recipe(
        TEXT,
        ["stages=[{name: head, train: [fusion], loop: {epochs: 1}}, {optimiser: {rate: 1e-5}}]"],
    )
    head, main = recipe.stages
    assert (head.name, head.train, head.loop.epochs, head.loop.batch) == ("head", ("fusion",), 1, 8)
    assert head.loop.optimiser.rate == 1e-4
    assert (main.name, main.loop.epochs, main.loop.optimiser.rate) == ("main", 4, 1e-5)


def test_protocols_fit_the_methods_task() -> None:
    assert default_protocol("bert-crf") == "ner-span-conll@1"
    check_protocol("bert-crf", "ner-span-strict@1")
    with pytest.raises(ConfigError, match="bert-crf does ner, but mre-no-none@1 scores mre"):
        check_protocol("bert-crf", "mre-no-none@1")
    with pytest.raises(NotFoundError):
        check_protocol("bert-crf", "ner-span-strict@9")


# the recipes that ship


def test_recipes_are_found_by_name_and_by_path() -> None:
    folder = recipes_folder()
    assert folder is not None
    expected = folder / "ner" / "bert-crf_twitter2017.yaml"
    assert recipe_path("ner/bert-crf_twitter2017") == expected
    assert recipe_path("recipes/ner/bert-crf_twitter2017.yaml").resolve() == expected.resolve()
    with pytest.raises(NotFoundError, match=r"Did you mean ner/bert-crf_twitter2017"):
        recipe_path("ner/bert-crf-twitter2017")


def test_the_list_says_what_each_is() -> None:
    (one,) = [each for each in list_recipes() if each.name == "ner/bert-crf_twitter2015"]
    assert (one.method, one.corpus, one.seeds) == ("bert-crf", "twitter2015", (32,))
    assert one.to_dict()["seeds"] == [32]
    assert "Yu et al." in one.about


@pytest.mark.parametrize("name", SHIPPED)
def test_every_recipe_is_valid(name: str) -> None:
    recipe = read_recipe(name)
    family = name.partition("/")[0]
    assert METHODS[recipe.method].family == family
    assert name.partition("/")[2].startswith(recipe.method)
    assert recipe.source["about"]


@pytest.mark.parametrize("method", sorted({each.method for each in list_recipes()}))
def test_every_recipes_method_is_built_with_tiny_backbones(method: str) -> None:
    for each in list_recipes():
        if each.method != method:
            continue
        known = read_recipe(each.name).config.to_dict()
        tiny = [f"config.{role}={TINY[role]}" for role in TINY if role in known]
        recipe = read_recipe(each.name, tiny + SMALL.get(method, []))
        labels = LabelSpace(
            entity_types=("LOC", "ORG", "OTHER", "PER"),
            fine_types=("athlete", "city"),
            parents={"athlete": "PER", "city": "LOC"},
            relation_types=("/per/org/member_of", "None"),
            null_relation="None",
        )
        built = method_class(method).build(recipe.config, labels)
        assert built.trainable()


def test_published_hyper_parameters() -> None:
    recipe = read_recipe("ner/bert-crf_twitter2017")
    loop = recipe.stages[0].loop
    optimiser = loop.optimiser
    assert (loop.epochs, loop.batch, recipe.seeds) == (22, 32, (32,))
    assert read_recipe("ner/bert-crf_twitter2015").stages[0].loop.epochs == 24
    assert (optimiser.name, optimiser.rate, optimiser.schedule) == ("bert-adam", 5e-5, "bert")
    assert (optimiser.clip, optimiser.clip_each, optimiser.eps) == (1.0, True, 1e-6)
    fused = read_recipe("ner/mmner-model_twitter2017")
    config = fused.config.to_dict()
    assert (config["width"], config["heads"], config["inner"], config["layers"]) == (512, 8, 256, 1)
    assert (config["fusion_dropout"], config["reduction"]) == (0.4, "sum")
    assert (fused.stages[0].loop.epochs, fused.stages[0].loop.batch) == (30, 16)


@pytest.mark.parametrize(
    ("name", "epochs", "batch", "rate", "warmup", "length"),
    [
        ("ner/mkgformer_twitter2015", 30, 16, 3e-5, 0.01, 128),
        ("ner/mkgformer_twitter2017", 30, 16, 3e-5, 0.01, 128),
        ("relation/mkgformer-re_mnre", 12, 32, 1e-5, 0.06, 80),
    ],
)
def test_published_hyper_parameters_of_mkgformer(
    name: str, epochs: int, batch: int, rate: float, warmup: float, length: int
) -> None:
    recipe = read_recipe(name)
    loop = recipe.stages[0].loop
    optimiser = loop.optimiser
    assert (loop.epochs, loop.batch, recipe.seeds) == (epochs, batch, (1234,))
    assert (optimiser.name, optimiser.rate, optimiser.warmup) == ("adamw", rate, warmup)
    assert (optimiser.decay, optimiser.schedule) == (0.01, "linear")
    config = recipe.config.to_dict()
    assert (config["max_length"], config["fusion_layers"]) == (length, 4)
    assert config.get("head_rate") == (5e-2 if name.startswith("ner") else None)


@pytest.mark.parametrize(
    ("name", "tagger", "epochs", "batch", "rate", "count"),
    [
        ("gvatt-evg", "adamw", 30, 32, 1e-3, 16),
        ("umt-evg", "bert-adam", 24, 32, 5e-5, 18),
        ("umgf-evg", "adamw", 30, 16, 1e-4, 18),
        ("ita-evg", "adamw", 10, 1, 5e-6, 18),
    ],
)
def test_hyper_parameters_of_the_pipelines(
    name: str, tagger: str, epochs: int, batch: int, rate: float, count: int
) -> None:
    recipe = read_recipe(f"grounded/{name}_gmner")
    first, second = recipe.stages
    assert (first.name, first.part, second.name, second.part) == (
        "tagger", "mner", "grounder", None,
    )  # fmt: skip
    moves = first.loop.optimiser
    assert (first.loop.epochs, first.loop.batch, moves.name, moves.rate) == (
        epochs, batch, tagger, rate,
    )  # fmt: skip
    moves = second.loop.optimiser
    assert (second.loop.epochs, second.loop.batch, moves.rate) == (10, 32, 2e-5)
    assert (moves.name, moves.warmup, moves.schedule) == ("adamw", 0.1, "linear")
    grounder = recipe.config.to_dict()["grounder"]
    assert (grounder["count"], grounder["theta"], grounder["head_rate"]) == (count, 0.5, 1e-4)
    assert (grounder["max_length"], grounder["normalise"]) == (80, True)
    assert recipe.protocol == "gmner-iou50@1"


@pytest.mark.parametrize(("corpus", "types"), [("fmnerg", "coarse_fine"), ("gmner", "coarse")])
def test_published_hyper_parameters_of_tiger(corpus: str, types: str) -> None:
    recipe = read_recipe(f"grounded/tiger_{corpus}")
    loop = recipe.stages[0].loop
    optimiser = loop.optimiser
    assert (loop.epochs, loop.batch, loop.bucket) == (10, 16, False)
    assert recipe.seeds == (42, 56, 47, 2020, 2021, 2022, 2023, 26, 15, 25)
    assert (optimiser.name, optimiser.rate, optimiser.schedule) == ("adamw", 2e-4, "linear")
    assert (optimiser.decay, optimiser.warmup, optimiser.eps) == (0.0, 0.0, 1e-8)
    config = recipe.config.to_dict()
    assert (config["seq2seq"], config["types"]) == ("t5-base", types)
    assert (config["source_length"], config["target_length"]) == (200, 200)
    assert (config["region_count"], config["feature_width"]) == (32, 2048)
    assert config["normalise"]
    assert not any(value for name, value in config.items() if name.startswith("legacy"))


def test_published_hyper_parameters_of_h_index() -> None:
    recipe = read_recipe("grounded/h-index_gmner")
    loop, config = recipe.stages[0].loop, recipe.config.to_dict()
    optimiser = loop.optimiser
    assert (loop.epochs, loop.batch, recipe.seeds) == (30, 32, (42,))
    assert (optimiser.name, optimiser.rate, optimiser.decay) == ("adamw", 3e-5, 0.01)
    assert (optimiser.schedule, optimiser.warmup, optimiser.clip) == ("constant", 0.0, 0.0)
    assert (config["region_count"], config["normalise"], config["region_loss"]) == (18, True, "kl")
    assert not any(value for name, value in config.items() if name.startswith("legacy_"))
    text = read_recipe("grounded/h-index_gmner-text")
    assert (text.config.to_dict()["source"], text.data.pictures) == ("none", "none")
    assert text.selection.part == "mner"
