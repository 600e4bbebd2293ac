using Tessera.Data;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>Images of which groups of pixels were destroyed.</summary>
/// <param name="Images">[B, C, H, W].</param>
/// <param name="Mask">1 where pixels were destroyed, else 0, [B, 1, H, W].</param>
public sealed record Corrupted(Tensor Images, Tensor Mask) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Images, Mask];
}

/// <summary>Destroys groups of pixels of normalised images, so that a network can learn to rebuild them.</summary>
public abstract class ImageCorruption
{
    // Apart from the streams of Tessera.Data and of MeasurementDraws.
    private const int Stream = 8 << 20,
        NoiseStream = 9 << 20;

    /// <summary>
    /// Corrupts the images of a view in training. What is drawn depends on the engine's generators, so that a run that is resumed goes on
    /// alike.
    /// </summary>
    /// <param name="images">Normalised images, [B, C, H, W].</param>
    public Corrupted Apply(Tensor images)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var seed = (ulong)Torch.Randint(1L << 53, [1]).ToInt64();
        var noise = NeedsNoise ? images.RandnLike() : null;
        return scope.Return(Corrupt(images, [.. Enumerable.Range(0, (int)images.Size(0))], seed, noise, partners: true));
    }

    /// <summary>
    /// Corrupts images for a measurement: what is drawn depends on the seed and on an image's index alone, and nothing comes from other
    /// images.
    /// </summary>
    /// <param name="images">Normalised images, [B, C, H, W].</param>
    /// <param name="indices">Positions of the images in their data set.</param>
    /// <param name="seed">Seed of the measurement.</param>
    internal Corrupted Measured(Tensor images, IReadOnlyList<int> indices, ulong seed)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return scope.Return(Corrupt(images, indices, seed, NeedsNoise ? NoiseOf(images, indices, seed) : null, partners: false));
    }

    private static Tensor NoiseOf(Tensor images, IReadOnlyList<int> indices, ulong seed)
    {
        var values = new float[images.Elements];
        var each = values.Length / indices.Count;
        foreach (var (row, index) in indices.Index())
        {
            var random = new SampleRandom(seed, 0, index, NoiseStream);
            for (var i = 0; i < each; i++)
                values[row * each + i] = (float)random.Normal();
        }
        return Tensor.From(values).Reshape(images.Shape).To(images.DType).To(images.Device);
    }

    private Corrupted Corrupt(Tensor images, IReadOnlyList<int> indices, ulong seed, Tensor? noise, bool partners)
    {
        var (count, _, height, width) = images.Shape;
        var prepared = Prepares ? images.Clone() : null;
        var sources = new PixelSources((int)count, (int)height, (int)width, Prepares);
        for (var image = 0; image < count; image++)
        {
            var random = new SampleRandom(seed, 0, indices[image], Stream);
            if (prepared is not null)
                Prepare(prepared[image], ref random);
            Draw(sources, image, (int)height, (int)width, partners ? (int)count : 1, ref random);
        }
        return new(sources.Render(images, noise, prepared), sources.Mask(images));
    }

    /// <summary>Whether blocks are filled with noise.</summary>
    protected abstract bool NeedsNoise { get; }

    /// <summary>Whether images are changed in place before blocks are written (<see cref="Prepare"/>).</summary>
    protected virtual bool Prepares => false;

    /// <summary>Changes an image in place before blocks are written.</summary>
    /// <param name="image">[C, H, W].</param>
    /// <param name="random">Draws of the image.</param>
    protected virtual void Prepare(Tensor image, ref SampleRandom random) { }

    /// <summary>Writes the blocks of an image.</summary>
    /// <param name="sources">Where they are written.</param>
    /// <param name="image">Which image.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="count">Images that parts can come from, this one among them; 1 for none.</param>
    /// <param name="random">Draws of the image.</param>
    protected abstract void Draw(PixelSources sources, int image, int height, int width, int count, ref SampleRandom random);
}
