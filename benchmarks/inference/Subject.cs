using Tessera.Deploy;
using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Benchmarks;

/// <summary>A network of the benchmark: a variant of the registry, or a segmenter over one.</summary>
/// <param name="Model">The network.</param>
/// <param name="Channels">Channels of its images.</param>
/// <param name="Side">Height and width of its images.</param>
/// <param name="Classes">Number of its classes.</param>
/// <param name="Compile">Compiles it.</param>
internal sealed record Subject(Layer Model, int Channels, int Side, int Classes, Func<CompileOptions, CompiledModel> Compile)
{
    private const int SegmentedClasses = 19;

    // Sides of which every head's poolings divide the coarsest map, as ONNX wants it.
    private static readonly Dictionary<string, (string Backbone, SegmenterOptions Head, int Side)> segmenters = new()
    {
        ["segformer_mit_b0"] = ("mit_b0", new SegFormerOptions(), 512),
        ["upernet_swin_tiny"] = ("swin_tiny_patch4_window7_224", new UPerNetOptions(64), 384),
        ["semantic_fpn_pvt_v2_b0"] = ("pvt_v2_b0", new SemanticFpnOptions(), 512),
        ["vt_fpn_resnet18"] = ("resnet18", new VtFpnOptions(), 512),
    };

    /// <summary>A network with fresh weights.</summary>
    internal static Subject Create(string name)
    {
        if (!segmenters.TryGetValue(name, out var segmented))
        {
            var model = Registry.Create(name);
            return new(model, model.Channels, model.ImageSize.Height, model.Classes, options => model.Compile(options));
        }
        var backbone = Registry.Create(segmented.Backbone, new() { Dense = true });
        var segmenter = segmented.Head.Create(backbone, SegmentedClasses);
        segmenter.Resize(segmented.Side, segmented.Side);
        return new(segmenter, backbone.Channels, segmented.Side, SegmentedClasses, options => segmenter.Compile(options));
    }
}
