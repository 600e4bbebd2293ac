using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// A transformer of stages of tokens, each of half the resolution of the one before. A classifier norms the last stage and
/// takes the mean of its tokens; the form for dense tasks has a norm for every stage instead, and takes images of any size.
/// </summary>
/// <typeparam name="TConfig">Its sizes and options.</typeparam>
public abstract class StagedTokens<TConfig> : Backbone<TConfig>
    where TConfig : BackboneConfig
{
    /// <summary>A transformer of these sizes and options.</summary>
    /// <param name="config">The sizes and options.</param>
    protected StagedTokens(TConfig config)
        : base(config) { }

    /// <summary>Pixels of the image per token of the first stage.</summary>
    protected abstract int FirstStride { get; }

    /// <summary>Whether it is the form for dense tasks.</summary>
    protected abstract bool IsDense { get; }

    /// <summary>A norm per stage of a dense form, else the last alone.</summary>
    protected abstract IReadOnlyList<LayerNorm> StageNorms { get; }

    /// <summary>Tokens after the last block of each stage, [B, N, D], with the size of their map.</summary>
    /// <param name="image">[B, C, H, W].</param>
    protected abstract IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image);

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) => StageNorms[^1].Call(Stages(input).Last().Tokens);

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean(1);

    /// <summary>One map per stage: normalised all in a dense form, the last alone in a classifier.</summary>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        (Tensor Tokens, int Height, int Width)[] stages = [.. Stages(input)];
        return
        [
            .. stages.Select(
                (stage, i) =>
                {
                    var norm =
                        IsDense ? StageNorms[i]
                        : i + 1 == stages.Length ? StageNorms[0]
                        : null;
                    return new FeatureMap(
                        (norm is null ? stage.Tokens : norm.Call(stage.Tokens)).ToMap(stage.Height, stage.Width),
                        FirstStride << i
                    );
                }
            ),
        ];
    }

    /// <summary>A dense form takes files of classifiers: its stage norms keep their values.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (IsDense)
            DenseWeights.FromClassifier(this, state);
    }
}
