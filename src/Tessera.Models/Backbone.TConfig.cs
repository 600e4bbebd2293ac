using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// A model of images whose classifier is one linear map of the pooled features. The model holds the map in a field, which gives it
/// its name and its place in the state dict.
/// </summary>
/// <remarks>
/// An own model derives from this class: declare it <c>partial</c>, give it the field <c>Linear? head</c> and return that as
/// <see cref="Classifier"/>, set it to <see cref="InitialClassifier"/> in the constructor, and answer the abstract members.
/// <see cref="Registry.Add"/> gives it a name.
/// </remarks>
/// <typeparam name="TConfig">Sizes and options.</typeparam>
public abstract class Backbone<TConfig> : ConfiguredBackbone<TConfig>
    where TConfig : BackboneConfig
{
    /// <summary>A model of these sizes and options.</summary>
    /// <param name="config">The sizes and options.</param>
    protected Backbone(TConfig config)
        : base(config) { }

    /// <summary>The field of the classifier; it is null for 0 classes.</summary>
    protected abstract ref Linear? Classifier { get; }

    /// <summary>Path of the classifier in the state dict.</summary>
    protected virtual string ClassifierPath => "head";

    /// <summary>
    /// A classifier as the model starts with it, on the CPU; by default with the weights of <see cref="TransformerInit"/>.
    /// </summary>
    /// <param name="classes">Number of classes, at least 1.</param>
    protected virtual Linear NewClassifier(int classes) => TransformerInit.Linears(new Linear(NumFeatures, classes));

    /// <summary>The classifier of a model that is being made; null for 0 classes.</summary>
    protected Linear? InitialClassifier() => Classes > 0 ? NewClassifier(Classes) : null;

    /// <summary>Another classifier for a model that is there already: of its type, on its device; null for 0 classes.</summary>
    protected Linear? FreshClassifier()
    {
        var like = Parameters().First();
        var fresh = InitialClassifier();
        fresh?.To(like.Device, like.DType);
        return fresh;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames => [$"{ClassifierPath}.weight", $"{ClassifierPath}.bias"];

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => Classifier is { } classifier ? classifier.Call(pooled) : pooled;

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        Classifier = FreshClassifier();
    }
}
