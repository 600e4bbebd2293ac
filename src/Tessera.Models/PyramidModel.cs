namespace Tessera.Models;

/// <summary>
/// A backbone of any kind, and a head over its four maps. Images may have any size that the backbone can be brought to; see
/// <see cref="Resize"/>.
/// </summary>
/// <remarks>
/// The backbone lies below <c>backbone.</c> in the state dict, as in mmsegmentation and mmdetection. Its classifier is taken away.
/// Backbones with fewer than four maps, plain transformers among them, get the rest from learned rescaling (<c>backbone.fpn1</c>, ...), as
/// in BEiT.
/// </remarks>
public abstract class PyramidModel : Model
{
    /// <summary>What the names of the backbone begin with in the state dict.</summary>
    public const string BackbonePrefix = "backbone.";

    private readonly Backbone backbone;
    private readonly FeaturePyramid pyramid;

    /// <summary>A model over a backbone.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    protected PyramidModel(Backbone backbone)
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
            members.Add(BackbonePrefix + name, scale);
    }

    /// <summary>The encoder.</summary>
    public Backbone Backbone => backbone;

    /// <summary>Channels of the four maps that the head sees, from fine to coarse.</summary>
    public IReadOnlyList<int> MapChannels => pyramid.Channels;

    /// <summary>Pixels of the image per position of each of the four maps.</summary>
    public IReadOnlyList<double> MapStrides => pyramid.Strides;

    /// <summary>Images that the backbone was made for; others are padded or refused as <see cref="Resize"/> says.</summary>
    public override (int Height, int Width) ImageSize => backbone.ImageSize;

    /// <inheritdoc/>
    public override int Channels => backbone.Channels;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Remarks => backbone.Remarks;

    private protected override string Expected => $"images [B, {Channels}, H, W]";

    /// <summary>Paths of the classifiers, of which there may be several, in the state dict.</summary>
    protected abstract IReadOnlyList<string> ClassifierPaths { get; }

    /// <inheritdoc/>
    public sealed override IReadOnlyList<string> ClassifierNames =>
        [.. ClassifierPaths.SelectMany(path => new[] { $"{path}.weight", $"{path}.bias" })];

    /// <summary>The four maps of images, [B, C_i, H / s_i, W / s_i] from fine to coarse.</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <exception cref="ShapeException">The backbone is tied to a smaller size.</exception>
    public IReadOnlyList<Tensor> ForwardMaps(Tensor images)
    {
        using var scope = new Scope();
        return scope.Return(pyramid.Maps(images));
    }

    /// <summary>The same for what runs inside of a call of this model.</summary>
    private protected IReadOnlyList<Tensor> Maps(Tensor images) => pyramid.Maps(images);

    /// <summary>Whether the backbone takes images of a size as they are, or padded.</summary>
    /// <param name="height">Height of the images.</param>
    /// <param name="width">Width of the images.</param>
    public bool Takes(int height, int width) => pyramid.Takes(height, width);

    /// <summary>
    /// Brings a backbone that is tied to a size of images, by positions or windows, to another one. Smaller images are padded to it.
    /// </summary>
    /// <param name="height">Height of the images.</param>
    /// <param name="width">Width of the images.</param>
    /// <exception cref="ShapeException">The backbone cannot take this size.</exception>
    public override void Resize(int height, int width) => backbone.Resize(height, width);

    /// <inheritdoc/>
    public override void SetGradientCheckpointing(bool enable = true) => backbone.SetGradientCheckpointing(enable);

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) =>
        name.StartsWith(BackbonePrefix, StringComparison.Ordinal) && backbone.NoWeightDecay(name[BackbonePrefix.Length..]);

    internal sealed override IReadOnlyList<string> Fit(OrderedDictionary<string, Tensor> state) => AdaptStateDict(state);

    /// <summary>
    /// Fits the weights of a checkpoint to this model before they are loaded: the backbone's own versions, the rescaling of
    /// mmsegmentation's port of MAE, heads that are for training alone.
    /// </summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    /// <returns>A sentence for everything that was left out.</returns>
    protected virtual IReadOnlyList<string> AdaptStateDict(OrderedDictionary<string, Tensor> state)
    {
        var own = StateDict();
        Rescaling(state);
        OrderedDictionary<string, Tensor> inner = new(
            state
                .Where(entry =>
                    entry.Key.StartsWith(BackbonePrefix, StringComparison.Ordinal)
                    && !pyramid.Scales.Any(scale => entry.Key.StartsWith($"{BackbonePrefix}{scale.Name}.", StringComparison.Ordinal))
                )
                .Select(entry => KeyValuePair.Create(entry.Key[BackbonePrefix.Length..], entry.Value))
        );
        foreach (var name in inner.Keys)
            state.Remove(BackbonePrefix + name);
        backbone.AdaptStateDict(inner);
        foreach (var (name, value) in inner)
            state[BackbonePrefix + name] = value;
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
    protected static IReadOnlyList<string> LeaveOut(
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
