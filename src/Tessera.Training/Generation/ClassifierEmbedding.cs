using System.Globalization;
using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Training.Bundles;

namespace Tessera.Training.Generation;

/// <summary>
/// The pooled features and the logits of a classifier that a run has trained. Its figures are called FD and CS with the name of the run:
/// they cannot be compared with those of another classifier, nor with published ones.
/// </summary>
internal sealed class ClassifierEmbedding : FeatureEmbedding
{
    private readonly Backbone backbone;
    private readonly Normalization normalization;

    private ClassifierEmbedding(EmbeddingFacts facts, Backbone backbone, Normalization normalization, Device device)
        : base(facts, device) => (this.backbone, this.normalization) = (backbone, normalization);

    /// <summary>The classifier of a run, or of a bundle by itself.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="device">Where it shall compute.</param>
    /// <exception cref="RunException">There is none, or it does not classify images.</exception>
    internal static ClassifierEmbedding Load(string folder, Device device)
    {
        var bundle = ModelBundle.Load(folder, device);
        bundle.RequireClassifier();
        var backbone = bundle.Backbone;
        if (!backbone.TakesImages || backbone.Classes < 2 || bundle.Facts.Normalization is not { } normalization)
            throw new RunException($"{folder}: {bundle.Content.Model.Title} does not classify images, as an embedding of images has to");
        var (height, width) = backbone.ImageSize;
        var preparation = string.Create(
            CultureInfo.InvariantCulture,
            $"{height}x{width} {string.Join(' ', normalization.Mean)} {string.Join(' ', normalization.Deviation)}"
        );
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        var facts = new EmbeddingFacts($"classifier:{name}", WeightsHash.Of(backbone, preparation), backbone.NumFeatures)
        {
            Accuracy = BundleFolder.Find(folder).Accuracy,
        };
        return new(facts, backbone, normalization, device);
    }

    /// <inheritdoc/>
    protected override EmbeddedImages Embed(Tensor images)
    {
        var (height, width) = backbone.ImageSize;
        var sized = WithChannels(images, backbone.Channels).ResizeTo(height, width);
        var tokens = backbone.ForwardFeatures((sized - PerChannel(normalization.Mean)) / PerChannel(normalization.Deviation));
        var pooled = backbone.ForwardHead(tokens, preLogits: true);
        // Where the classifier sees several tokens, their mean, as in every use of features.
        return new(pooled.Dim == 3 ? pooled.Mean([1]) : pooled, backbone.ForwardHead(tokens));
    }

    private Tensor PerChannel(IReadOnlyList<float> values) => Tensor.From(values.ToArray(), 1, values.Count, 1, 1).To(Device);
}
