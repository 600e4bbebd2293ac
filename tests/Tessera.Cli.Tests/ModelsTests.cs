using Tessera.Models;

namespace Tessera.Cli.Tests;

public class ModelsTests
{
    [Fact]
    public void Models_lists_the_whole_registry_with_its_figures()
    {
        var lines = CommandLineTool.Run("models").Succeeded().Lines;
        foreach (var variant in Registry.All)
            Assert.Contains(lines, line => line.StartsWith(variant.Name + " ", StringComparison.Ordinal));
        var line = Assert.Single(lines, l => l.StartsWith("cct_7_3x1_32 ", StringComparison.Ordinal));
        Assert.Contains("3.76 M", line, StringComparison.Ordinal);
        Assert.Contains("947 M", line, StringComparison.Ordinal);
        Assert.Contains("94.78 %", line, StringComparison.Ordinal);
        Assert.Contains("arXiv:2104.05704", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pattern_chooses_models_and_quiet_leaves_their_names()
    {
        var names = CommandLineTool.Run("models", "deit_*_224", "--quiet").Succeeded().Lines;
        Assert.Equal(Registry.Find("deit_*_224").Select(v => v.Name), names);
    }

    [Fact]
    public void Json_has_whole_numbers_and_fractions()
    {
        var model = CommandLineTool.Run("models", "vit_tiny_patch16_224", "--json").Succeeded().Json.EnumerateArray().Single();
        Assert.Equal(5_720_000, model.GetProperty("parameters").GetInt64());
        Assert.Equal(1_260_000_000, model.GetProperty("macs").GetInt64());
        Assert.Equal(0.7545, model.GetProperty("top1").GetDouble());
        Assert.Equal(224, model.GetProperty("image_size").GetInt32());
    }

    [Fact]
    public void Counting_agrees_with_what_was_published()
    {
        var counted = CommandLineTool.Run("models", "cct_2_3x2_32", "--count", "--json").Succeeded().Json.EnumerateArray().First();
        var published = Registry.Get("cct_2_3x2_32");
        Assert.Equal(published.Parameters!.Value * 1e6, counted.GetProperty("parameters").GetInt64(), published.Parameters.Value * 1e4);
        var macs =
            counted.GetProperty("macs").GetInt64() - (published.MacsWithAttention ? 0 : counted.GetProperty("attention_macs").GetInt64());
        Assert.Equal(published.GMacs!.Value * 1e9, macs, published.GMacs.Value * 3e7);
    }

    [Fact]
    public void An_unknown_model_is_answered_with_the_nearest_names() =>
        Assert.Contains(
            "deit_tiny_patch16_224",
            CommandLineTool.Run("models", "deit_tiny_patch61_224").UserError(),
            StringComparison.Ordinal
        );
}
