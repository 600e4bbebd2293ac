namespace Tessera.Models;

/// <summary>A network of stages of maps, each of half the resolution of the one before, that classifies the mean of the last.</summary>
/// <typeparam name="TConfig">Its sizes and options.</typeparam>
public abstract class StagedMaps<TConfig> : Backbone<TConfig>
    where TConfig : BackboneConfig
{
    /// <summary>A network of these sizes and options.</summary>
    /// <param name="config">The sizes and options.</param>
    protected StagedMaps(TConfig config)
        : base(config) { }

    /// <summary>Pixels of the image per position of the first map.</summary>
    protected abstract int FirstStride { get; }

    /// <summary>The map of every stage, [B, C, H, W].</summary>
    /// <param name="image">[B, C, H, W].</param>
    protected abstract IEnumerable<Tensor> Maps(Tensor image);

    /// <summary>The last map.</summary>
    protected override Tensor Features(Tensor input) => Maps(input).Last();

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean((2, 3));

    /// <summary>The map of every stage.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Maps(input).Select((map, i) => new FeatureMap(map, FirstStride << i))];
}
