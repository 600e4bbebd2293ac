namespace Tessera.Models;

/// <summary>
/// A model that turns images into scores of classes for each position: a backbone of any kind, and a head over its four maps. Images may
/// have any size that the backbone can be brought to; see <see cref="Resize"/>.
/// </summary>
/// <remarks>
/// The backbone lies below <c>backbone.</c> in the state dict, as in mmsegmentation. Its classifier is taken away. Backbones with fewer
/// than four maps, plain transformers among them, get the rest from learned rescaling (<c>backbone.fpn1</c>, ...), as in BEiT.
/// </remarks>
public abstract partial class Segmenter : Layer
{
    private const string BackboneName = "backbone.";

    private readonly Backbone backbone;
    private readonly FeaturePyramid pyramid;

    /// <summary>A segmenter over a backbone.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    private protected Segmenter(Backbone backbone)
    {
        this.backbone = backbone;
        if (backbone.Classes > 0)
            backbone.ResetClassifier(0);
        pyramid = new FeaturePyramid(backbone);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("backbone", backbone);
        foreach (var (name, scale) in pyramid.Scales)
            members.Add(BackboneName + name, scale);
    }

    /// <summary>The encoder.</summary>
    public Backbone Backbone => backbone;

    /// <summary>Channels of the four maps that the head sees, from fine to coarse.</summary>
    public IReadOnlyList<int> MapChannels => pyramid.Channels;

    /// <summary>Pixels of the image per position of each of the four maps.</summary>
    public IReadOnlyList<double> MapStrides => pyramid.Strides;

    /// <summary>Number of classes.</summary>
    public abstract int Classes { get; }

    /// <summary>Pixels of the image per position of the scores.</summary>
    public virtual double Stride => pyramid.Strides[0];

    /// <summary>Paths of the classifiers, of which there may be several, in the state dict.</summary>
    private protected abstract IReadOnlyList<string> ClassifierPaths { get; }

    /// <summary>Names of the classifiers' parameters in the state dict, which a checkpoint of other classes cannot fill.</summary>
    public IReadOnlyList<string> ClassifierNames => [.. ClassifierPaths.SelectMany(path => new[] { $"{path}.weight", $"{path}.bias" })];

    /// <summary>The four maps of images, [B, C_i, H / s_i, W / s_i] from fine to coarse.</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <exception cref="ShapeException">The backbone is tied to a smaller size.</exception>
    public IReadOnlyList<Tensor> ForwardMaps(Tensor images)
    {
        using var scope = new Scope();
        return scope.Return(pyramid.Maps(images));
    }

    /// <summary>Scores [B, classes, h, w] from what <see cref="ForwardMaps"/> gives.</summary>
    /// <param name="maps">Four maps.</param>
    /// <param name="image">Height and width of the images.</param>
    public Tensor ForwardHead(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => Torch.Scope(() => Decode(maps, image));

    /// <summary>All outputs for training: the scores and, in training, those of an auxiliary head if there is one.</summary>
    /// <param name="images">[B, C, H, W].</param>
    public Outputs Run(Tensor images)
    {
        using var scope = new Scope();
        var maps = pyramid.Maps(images);
        var outputs = new Outputs(Decode(maps, (images.Size(2), images.Size(3))));
        if (Training && DecodeAuxiliary(maps) is { } auxiliary)
            outputs = outputs with { Named = new Dictionary<string, Tensor> { [Outputs.Auxiliary] = auxiliary } };
        return scope.Return(outputs);
    }

    /// <summary>Scores of the classes, [B, C, H, W] to [B, classes, h, w].</summary>
    protected override Tensor Forward(Tensor input) => Decode(pyramid.Maps(input), (input.Size(2), input.Size(3)));

    /// <summary>The head.</summary>
    /// <param name="maps">Four maps from fine to coarse.</param>
    /// <param name="image">Height and width of the images.</param>
    private protected abstract Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image);

    /// <summary>The auxiliary head; null without one.</summary>
    private protected virtual Tensor? DecodeAuxiliary(IReadOnlyList<Tensor> maps) => null;

    /// <summary>Fresh classifiers for another number of classes.</summary>
    /// <param name="classes">At least 1.</param>
    public abstract void ResetClassifier(int classes);

    /// <summary>
    /// Brings a backbone that is tied to a size of images, by positions or windows, to another one. Smaller images are padded to it.
    /// </summary>
    /// <param name="height">Height of the images.</param>
    /// <param name="width">Width of the images.</param>
    /// <exception cref="ShapeException">The backbone cannot take this size.</exception>
    public void Resize(int height, int width) => backbone.Resize(height, width);

    /// <summary>Whether a parameter gets no weight decay although it has more than one dimension.</summary>
    /// <param name="name">Its name in the state dict.</param>
    public bool NoWeightDecay(string name) =>
        name.StartsWith(BackboneName, StringComparison.Ordinal) && backbone.NoWeightDecay(name[BackboneName.Length..]);

    /// <summary>
    /// Fits the weights of a checkpoint to this model before they are loaded: the backbone's own versions, the rescaling of
    /// mmsegmentation's port of MAE, heads that are for training alone.
    /// </summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    /// <returns>A sentence for everything that was left out.</returns>
    internal virtual IReadOnlyList<string> AdaptStateDict(OrderedDictionary<string, Tensor> state)
    {
        var own = StateDict();
        Rescaling(state);
        OrderedDictionary<string, Tensor> inner = new(
            state
                .Where(entry =>
                    entry.Key.StartsWith(BackboneName, StringComparison.Ordinal)
                    && !pyramid.Scales.Any(scale => entry.Key.StartsWith($"{BackboneName}{scale.Name}.", StringComparison.Ordinal))
                )
                .Select(entry => KeyValuePair.Create(entry.Key[BackboneName.Length..], entry.Value))
        );
        foreach (var name in inner.Keys)
            state.Remove(BackboneName + name);
        backbone.AdaptStateDict(inner);
        foreach (var (name, value) in inner)
            state[BackboneName + name] = value;
        // The maps of blocks lie before the final norm, which published files then lack.
        if (pyramid.IsOfBlocks)
            foreach (var (name, value) in own)
                if (name is "backbone.norm.weight" or "backbone.norm.bias" or "backbone.fc_norm.weight" or "backbone.fc_norm.bias")
                    state.TryAdd(name, value);
        return LeaveOut(state, own, "auxiliary_head.", "the auxiliary head of the weights is left out: the model has none");
    }

    // mmsegmentation's MAE has the same rescaling as a neck.
    private static void Rescaling(OrderedDictionary<string, Tensor> state)
    {
        foreach (var (theirs, ours) in new[] { ("neck.upsample_4x.", "backbone.fpn1."), ("neck.upsample_2x.", "backbone.fpn2.") })
        foreach (var name in state.Keys.Where(name => name.StartsWith(theirs, StringComparison.Ordinal)).ToArray())
        {
            state[ours + name[theirs.Length..]] = state[name];
            state.Remove(name);
        }
    }

    /// <summary>Leaves out what a checkpoint holds below a prefix and the model does not.</summary>
    private protected static IReadOnlyList<string> LeaveOut(
        OrderedDictionary<string, Tensor> state,
        IReadOnlyDictionary<string, Tensor> own,
        string prefix,
        string remark
    )
    {
        if (own.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal)))
            return [];
        string[] names = [.. state.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal))];
        foreach (var name in names)
            state.Remove(name);
        return names.Length > 0 ? [remark] : [];
    }
}

/// <summary>Sizes and options of a segmentation head, from which it is built over any backbone.</summary>
public abstract record SegmenterOptions
{
    /// <summary>A segmenter with a fresh head.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    /// <param name="classes">Number of classes, at least 1.</param>
    public abstract Segmenter Create(Backbone backbone, int classes);
}
