using Tessera.Models;

namespace Tessera.Conformance.Cases;

/// <summary>The residual networks of small images as files describe them: <c>arch</c>, <c>blocks</c>, <c>stem</c>, <c>image_size</c>.</summary>
internal static class SmallEncoder
{
    /// <summary>An encoder without classifier.</summary>
    /// <param name="c">The description.</param>
    /// <param name="channels">Channels of the images.</param>
    public static ResNet Of(Config c, int channels = 3)
    {
        var bottleneck = c.String("arch") switch
        {
            "resnet_mini" or "resnet18" or "resnet34" => false,
            "resnet50" or "resnet101" or "resnet152" => true,
            var other => throw new NotSupportedException($"an encoder '{other}'"),
        };
        return new(new(c.Size("image_size"), c.Ints("blocks"), bottleneck, Classes: 0, channels, Stem: Stem(c.String("stem"))));
    }

    private static ResNetStem Stem(string words) =>
        words.StartsWith("7x7", StringComparison.Ordinal) ? ResNetStem.ImageNet
        : !words.StartsWith("3x3 stride 1", StringComparison.Ordinal) ? throw new NotSupportedException($"a stem '{words}'")
        : !words.Contains("max-pool", StringComparison.Ordinal)
        || ((string[])["no max-pool", "without max-pool", "removed"]).Any(absent => words.Contains(absent, StringComparison.Ordinal))
            ? ResNetStem.Small
        : ResNetStem.SmallPooled;
}
