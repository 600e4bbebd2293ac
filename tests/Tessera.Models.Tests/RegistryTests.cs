using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Tests.Models;

/// <summary>What holds of every named model: its figures against the published ones, and the questions that all answer alike.</summary>
public class RegistryTests
{
    public static TheoryData<string> Names => [.. Registry.All.Select(v => v.Name)];

    // A forward pass of 20 GMACs takes a fifth of a second on two cores; larger siblings share the code.
    public static TheoryData<string> Countable => [.. Registry.All.Where(v => v.GMacs is > 0 and < 4).Select(v => v.Name)];

    public static TheoryData<string> LongToCount => [.. Registry.All.Where(v => v.GMacs is >= 4 and < 20).Select(v => v.Name)];

    [Fact]
    public void Names_are_unique() => Assert.Equal(Registry.All.Count, Registry.All.Select(v => v.Name).Distinct().Count());

    [Theory]
    [MemberData(nameof(Names))]
    public void The_parameters_are_as_many_as_published(string name)
    {
        using var skipped = Init.Skip();
        using var scope = Torch.Scope();
        var variant = Registry.Get(name);
        var model = variant.Create(new());
        if (variant.Parameters is { } published)
        {
            var ours = CountedParameters(model) / 1e6;
            Assert.True(
                Math.Abs(ours - published) <= Math.Max(Rounding(published), published * 0.005),
                $"{ours:F3} million parameters, {published} published"
            );
        }
        var state = model.StateDict();
        Assert.All(model.ClassifierNames, classifier => Assert.Contains(classifier, state.Keys));
        var modules = model.NamedModules().Select(m => m.Name).ToHashSet();
        Assert.All(model.BlockPaths, path => Assert.Contains(path, modules));
        Dispose(model);
    }

    [Theory]
    [Trait("Category", "Long")]
    [MemberData(nameof(LongToCount))]
    public void So_are_those_of_larger_models(string name) => The_operations_are_as_many_as_published(name);

    [Theory]
    [MemberData(nameof(Countable))]
    public void The_operations_are_as_many_as_published(string name)
    {
        using var skipped = Init.Skip();
        using var scope = Torch.Scope();
        using var inference = Torch.Inference();
        var variant = Registry.Get(name);
        var model = variant.Create(new());
        model.Eval();
        using var count = new OperationCount();
        model.Call(Torch.Zeros([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width]));
        var ours = (variant.MacsWithAttention ? count.Macs : count.WeightMacs) / 1e9;
        Assert.True(
            Math.Abs(ours - variant.GMacs!.Value) <= Math.Max(Rounding(variant.GMacs.Value), variant.GMacs.Value * 0.02),
            $"{ours:F3} GMACs, {variant.GMacs} published"
        );
        Dispose(model);
    }

    // Half of the last printed digit, at most of the first decimal.
    private static double Rounding(double published)
    {
        var decimals = published.ToString(System.Globalization.CultureInfo.InvariantCulture).Split('.') is [_, var fraction]
            ? fraction.Length
            : 1;
        return 0.6 * Math.Pow(10, -decimals);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_nearest_ones()
    {
        var refusal = Assert.Throws<UnknownModelException>(() => Registry.Create("vit_tini_patch16_224"));
        Assert.Contains("vit_tiny_patch16_224", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wildcards_find_models()
    {
        Assert.All(Registry.Find("cct_*_32"), v => Assert.StartsWith("cct_", v.Name, StringComparison.Ordinal));
        Assert.Contains(Registry.Find("7_3x1"), v => v.Name == "cct_7_3x1_32");
        Assert.Empty(Registry.Find("no_such_model"));
    }

    // Text models are published without their word vectors.
    private static long CountedParameters(Backbone model) => model.ParameterCount - (model is TextCct text ? text.WordVectors.Elements : 0);

    private static void Dispose(Module model)
    {
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
    }
}
