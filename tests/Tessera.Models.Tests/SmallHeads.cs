using Tessera.Models;

namespace Tessera.Tests.Models;

/// <summary>A small segmentation head of each kind.</summary>
internal static class SmallHeads
{
    /// <summary>Their options by name.</summary>
    public static IReadOnlyDictionary<string, SegmenterOptions> All { get; } =
        new Dictionary<string, SegmenterOptions>
        {
            ["segformer"] = new SegFormerOptions(16),
            ["semantic_fpn"] = new SemanticFpnOptions(16, 8),
            ["upernet"] = new UPerNetOptions(8, AuxiliaryChannels: 8),
            ["vt_fpn"] = new VtFpnOptions(16, 16, 4, 8, 4),
        };
}
