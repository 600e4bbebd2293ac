using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training.Optimization;

/// <summary>
/// Layer-wise decay of the learning rate (Bao et al., 2021, arXiv:2106.08254, appendix; Clark et al., 2020, arXiv:2003.10555):
/// the further a layer is from the head, the less a pretrained weight is changed.
/// </summary>
internal static class LayerDecay
{
    /// <summary>
    /// The layer of every parameter of a model by name: 0 for embeddings, tokens and positions before the blocks, i + 1 for block i,
    /// depth + 1 for parameters after the blocks. A parameter between two blocks (merging of patches) belongs to the layer before it.
    /// A head over a backbone comes after the blocks.
    /// </summary>
    /// <param name="model">The model; the <see cref="Backbone.BlockPaths"/> of its backbone count as blocks.</param>
    public static IReadOnlyDictionary<string, int> Layers(Model model)
    {
        var (backbone, prefix) = BackboneOf(model);
        var own = OfBackbone(backbone);
        return model
            .NamedParameters()
            .ToDictionary(
                p => p.Name,
                p =>
                    p.Name.StartsWith(prefix, StringComparison.Ordinal) && own.TryGetValue(p.Name[prefix.Length..], out var layer)
                        ? layer
                        : backbone.BlockPaths.Count + 1
            );
    }

    private static (Backbone Backbone, string Prefix) BackboneOf(Model model) =>
        model switch
        {
            Backbone backbone => (backbone, ""),
            PyramidModel over => (over.Backbone, PyramidModel.BackbonePrefix),
            _ => throw new RunException($"optimizer.layer_decay must be 1 for a {model.GetType().Name}, which has no blocks"),
        };

    private static Dictionary<string, int> OfBackbone(Backbone model)
    {
        var blocks = model.BlockPaths.Index().ToDictionary(b => b.Item, b => b.Index);
        var last = blocks.Count + 1;
        var names = model.NamedParameters().Select(p => p.Name).ToArray();
        var lastInBlock = Array.FindLastIndex(names, name => BlockOf(name, blocks) is not null);
        var result = new Dictionary<string, int>();
        var current = 0;
        foreach (var (place, name) in names.Index())
        {
            if (BlockOf(name, blocks) is { } block)
                result[name] = current = block + 1;
            else
                result[name] = place > lastInBlock || model.BelongsToHead(name) ? last : current;
        }
        return result;
    }

    /// <summary>Factor of the learning rate: decay^(depth + 1 - layer).</summary>
    /// <param name="decay">Factor from each layer to the one before it, in (0, 1].</param>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="layer">Number of the layer in <see cref="Layers"/>, from 0 to depth + 1.</param>
    public static double Scale(double decay, int depth, int layer) => Math.Pow(decay, depth + 1 - layer);

    /// <summary>Splits groups by layer.</summary>
    internal static IEnumerable<ParameterGroup> Apply(IEnumerable<ParameterGroup> groups, Model model, double decay)
    {
        var layers = Layers(model);
        var depth = BackboneOf(model).Backbone.BlockPaths.Count;
        return groups.SelectMany(group =>
            group
                .Parameters.GroupBy(p => layers[p.Name])
                .OrderBy(layer => layer.Key)
                .Select(layer => group with { Parameters = [.. layer], Scale = group.Scale * Scale(decay, depth, layer.Key) })
        );
    }

    // Paths may lie deep: the longest prefix of the name that is a block.
    private static int? BlockOf(string name, Dictionary<string, int> blocks)
    {
        for (var cut = name.LastIndexOf('.'); cut > 0; cut = name.LastIndexOf('.', cut - 1))
            if (blocks.TryGetValue(name[..cut], out var index))
                return index;
        return null;
    }
}
