using System.Globalization;

namespace Tessera.Training.Generation;

/// <summary>What an embedding makes of images.</summary>
/// <param name="Features">Float32 [B, D], on the device of the embedding.</param>
/// <param name="Logits">Logits of classes [B, C]; null where the embedding does not classify.</param>
public sealed record EmbeddedImages(Tensor Features, Tensor? Logits);

/// <summary>
/// Features by which real and generated images are compared. An embedding computes in float32, whatever type the products of the model
/// that is measured have, and it never changes.
/// </summary>
/// <param name="facts">What is said of it beside every figure.</param>
/// <param name="device">Where it computes.</param>
public abstract class FeatureEmbedding(EmbeddingFacts facts, Device device)
{
    /// <summary>What is said of it beside every figure.</summary>
    public EmbeddingFacts Facts { get; } = facts;

    /// <summary>Where it computes.</summary>
    public Device Device { get; } = device;

    /// <summary>How embeddings are named, for messages and help.</summary>
    internal const string Names = "inception-fid:FILE, classifier:RUN or random-conv:SEED";

    /// <summary>The embedding of a name.</summary>
    /// <param name="name">
    /// <c>inception-fid:FILE</c> with the weights <c>pt_inception-2015-12-05</c> that pytorch-fid publishes; <c>classifier:RUN</c> with
    /// the folder of a run or a bundle that classifies images; <c>random-conv:SEED</c> for tests of a set-up.
    /// </param>
    /// <param name="device">Where it shall compute; the CPU by default.</param>
    /// <exception cref="RunException">The name is none of these, or what it names cannot be used.</exception>
    public static FeatureEmbedding Open(string name, Device? device = null)
    {
        var place = device ?? Device.Cpu;
        return name.Split(':', 2) switch
        {
            [EmbeddingFacts.Inception, { Length: > 0 } file] => InceptionEmbedding.Load(file, place),
            [EmbeddingFacts.Classifier, { Length: > 0 } folder] => ClassifierEmbedding.Load(folder, place),
            ["random-conv", var text] when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) =>
                RandomEmbedding.Create(seed, place),
            _ => throw new RunException($"there is no embedding '{name}': it must be {Names}"),
        };
    }

    /// <summary>Features and, where it classifies, logits.</summary>
    /// <param name="images">
    /// [B, C, H, W] in [0, 1], not normalised, on any device. Grey images become colours and colours grey, as the embedding needs.
    /// </param>
    /// <returns>Owned by the current scope.</returns>
    /// <exception cref="ShapeException">The embedding cannot take such images.</exception>
    public EmbeddedImages Of(Tensor images)
    {
        if (images.Dim != 4 || !images.DType.IsFloat())
            throw new ShapeException($"{Facts.Id} takes images [B, C, H, W] in [0, 1], not {images.DType.Name()} {images.Shape}");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        using var exact = Torch.Autocast(device: Device.Type, enabled: false);
        var found = Embed(images.Detach().To(Device).To(DType.Float32));
        var features = scope.Return(found.Features.To(DType.Float32));
        return new(features, found.Logits is { } logits ? scope.Return(logits.To(DType.Float32)) : null);
    }

    /// <summary>What <see cref="Of"/> gives.</summary>
    /// <param name="images">[B, C, H, W] in [0, 1], float32, on <see cref="Device"/>.</param>
    protected abstract EmbeddedImages Embed(Tensor images);

    /// <summary>
    /// Images with the channels that a network takes: grey images are repeated, and colours become their luma (ITU-R 601-2), as where files
    /// are read for a model of grey images.
    /// </summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <param name="channels">What the network takes.</param>
    /// <exception cref="ShapeException">They have another number.</exception>
    protected Tensor WithChannels(Tensor images, int channels) =>
        images.Size(1) == channels ? images
        : images.Size(1) == 1 ? images.Expand([images.Size(0), channels, images.Size(2), images.Size(3)])
        : (images.Size(1), channels) == (3, 1) ? Luma(images)
        : throw new ShapeException($"{Facts.Id} takes images of {channels} channels, not of {images.Size(1)}");

    private static Tensor Luma(Tensor images) =>
        images.Slice(1, 0, 1) * 0.299 + images.Slice(1, 1, 2) * 0.587 + images.Slice(1, 2, 3) * 0.114;
}
