using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Maps at other resolutions, each by a power of two: how a plain transformer, whose blocks all work at one resolution, gives the four
/// maps of a pyramid (Bao et al., 2021, arXiv:2106.08254, and He et al., 2021, arXiv:2111.06377, for segmentation). Finer by learned
/// transposed convolutions, coarser by the maximum. Its parts are called <c>fpn1</c>, <c>fpn2</c>, ...
/// </summary>
public sealed class FeatureScales : Module<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>>
{
    private readonly Layer[] scales;

    /// <summary>A layer per map.</summary>
    /// <param name="maps">Channels of each map, and by how many powers of two it becomes finer; negative ones make it coarser.</param>
    public FeatureScales(params IEnumerable<(int Channels, int Doublings)> maps) =>
        scales = [.. maps.Select(map => Create(map.Channels, map.Doublings))];

    private static Layer Create(int channels, int doublings)
    {
        if (doublings == 0)
            return new Identity();
        if (doublings < 0)
            return new Coarser(1 << -doublings);
        List<Layer> layers = [new ConvTranspose2d(channels, channels, 2, 2)];
        for (var i = 1; i < doublings; i++)
            layers.AddRange([new BatchNorm(channels), new Gelu(), new ConvTranspose2d(channels, channels, 2, 2)]);
        return new Sequential(layers);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, scale) in scales.Index())
            members.Add($"fpn{i + 1}", scale);
    }

    /// <summary>Maps [B, C_i, H, W] at their new resolutions, in the same order.</summary>
    /// <exception cref="ShapeException">There are not as many maps as layers.</exception>
    protected override IReadOnlyList<Tensor> Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != scales.Length)
            throw new ShapeException($"{scales.Length} maps are rescaled, not {input.Count}");
        return [.. scales.Select((scale, i) => scale.Call(input[i]))];
    }

    /// <summary>The maximum over squares; a side that is shorter than a square becomes 1.</summary>
    private sealed class Coarser(int factor) : Layer
    {
        protected override Tensor Forward(Tensor input)
        {
            IntList side = (Math.Min(factor, input.Size(2)), Math.Min(factor, input.Size(3)));
            return input.MaxPool2d(side, side);
        }
    }
}
