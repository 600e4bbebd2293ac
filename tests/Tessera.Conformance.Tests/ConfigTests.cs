using System.Text.Json;

namespace Tessera.Conformance.Tests;

public sealed class ConfigTests
{
    private static Config Of(string json) => new(JsonDocument.Parse(json).RootElement.Clone(), "config.");

    [Fact]
    public void What_nobody_asks_for_is_unread()
    {
        var config = Of("""{"depth": 2, "batch": 3, "names": ["a"]}""");
        Assert.Equal(2, config.Int("depth"));
        Assert.Equal(["config.batch", "config.names"], config.Unread);
    }

    [Fact]
    public void Entries_of_nested_objects_and_of_lists_of_objects_are_accounted_for_one_by_one()
    {
        var config = Of("""{"agent": {"name": "cnn", "norm": {"eps": 1, "kind": "bn"}}, "cases": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}""");
        config.Object("agent").String("name");
        config.Object("agent").Object("norm").Int("eps");
        foreach (var entry in config.Objects("cases"))
            entry.Int("a");
        config.Objects("cases")[1].Int("b");
        Assert.Equal(["config.agent.norm.kind", "config.cases[0].b"], config.Unread);
    }

    [Fact]
    public void An_object_that_nobody_opens_is_unread_itself()
    {
        Assert.Equal(["config.agent"], Of("""{"agent": {"name": "cnn"}}""").Unread);
    }

    [Fact]
    public void To_find_null_uses_an_entry_and_to_find_a_value_does_not()
    {
        var config = Of("""{"none": null, "some": 1}""");
        Assert.False(config.Has("none"));
        Assert.True(config.Has("some"));
        Assert.Equal(["config.some"], config.Unread);
    }

    [Fact]
    public void An_expectation_uses_an_entry_and_may_find_it_missing()
    {
        var config = Of("""{"kind": "dense", "batch": 2.0, "sizes": [[1, 2], [3, 4]]}""");
        config.Expect("kind", "dense");
        config.Expect("batch", 2L);
        config.Expect<int[][]>(
            "sizes",
            [
                [1, 2],
                [3, 4],
            ]
        );
        config.Expect("missing", 7);
        Assert.Empty(config.Unread);
    }

    [Theory]
    [InlineData("\"classifier\"")]
    [InlineData("null")]
    [InlineData("1")]
    public void An_expectation_refuses_another_value_by_name(string value)
    {
        var error = Assert.Throws<GoldenMismatchException>(() => Of($$"""{"kind": {{value}}}""").Expect("kind", "dense"));
        Assert.Equal($"'config.kind' is {value}, \"dense\" was expected", error.Message);
    }

    [Fact]
    public void What_does_not_apply_has_to_be_null_or_missing()
    {
        var config = Of("""{"groups": null, "stride": 2}""");
        config.ExpectNone("groups", "missing");
        var error = Assert.Throws<GoldenMismatchException>(() => config.ExpectNone("stride"));
        Assert.Contains("'config.stride' is 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_remark_is_text()
    {
        var config = Of("""{"note": "not clipped", "rate": 0.5}""");
        config.Remark("note");
        Assert.Equal(["config.rate"], config.Unread);
        Assert.Throws<GoldenMismatchException>(() => config.Remark("rate"));
    }
}
