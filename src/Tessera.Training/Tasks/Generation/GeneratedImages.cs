using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Tasks.Generation;

/// <summary>
/// The images of a generator by their numbers. An image depends on the seed and on its number alone: its random vector is the same on every
/// machine, and <see cref="Image(long)"/> computes it by itself, so that it is the same however many others are made. Nothing is drawn from
/// the random numbers of a training.
/// </summary>
public sealed class GeneratedImages
{
    // Apart from the streams of Tessera.Data.
    private const int VectorStream = 8 << 20,
        NoiseStream = 9 << 20;

    // Vectors whose styles the mean style is taken of; as many at a time.
    private const int MeanOf = 4096,
        MeanBatch = 512;

    private readonly ImageGenerator model;
    private readonly ulong seed;
    private readonly double truncation;
    private readonly Device device;
    private readonly Tensor? mean; // [1, S]

    /// <summary>The images of a seed. What it keeps belongs to the current scope.</summary>
    /// <param name="model">Makes them; each call is in evaluation mode.</param>
    /// <param name="seed">Seed of random vectors and noise.</param>
    /// <param name="truncation">
    /// Share of the way from the mean style to that of an image, in [0, 1]: less than 1 gives more ordinary images, which differ less (Karras
    /// et al., 2019, arXiv:1812.04948, appendix B).
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The truncation is out of its range.</exception>
    public GeneratedImages(ImageGenerator model, ulong seed = 0, double truncation = 1)
    {
        if (truncation is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(truncation), truncation, "truncation must be from 0 to 1");
        (this.model, this.seed, this.truncation, device) = (model, seed, truncation, ModuleDevice.Of(model));
        mean = truncation < 1 ? MeanStyle() : null;
    }

    // The same for every seed: it is the model's.
    private Tensor MeanStyle()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var vectors = new GeneratedImages(model);
        var sum = Enumerable
            .Range(0, MeanOf / MeanBatch)
            .Select(batch => Torch.Cat([.. Enumerable.Range(batch * MeanBatch, MeanBatch).Select(number => vectors.Vector(number))], 0))
            .Select(some => model.Styles(Placed(some)).To(DType.Float64).Sum([0], true))
            .Aggregate((all, some) => all + some);
        return scope.Return(sum / MeanOf);
    }

    private Tensor Placed(Tensor vectors) => vectors.To(device).To(model.Parameters().First().DType);

    /// <summary>The random vector of an image, [1, W] in float32 on the processor.</summary>
    /// <param name="number">Number of the image, from 0.</param>
    public Tensor Vector(long number)
    {
        var random = new SampleRandom(seed, 0, number, VectorStream);
        var values = new float[model.LatentWidth];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)random.Normal();
        return Tensor.From(values, 1, values.Length);
    }

    /// <summary>An image, [1, C, H, W] in float32 and in [0, 1], on the device of the model.</summary>
    /// <param name="number">Number of the image, from 0.</param>
    public Tensor Image(long number) => Torch.Scope(() => Of(Vector(number), number));

    /// <summary>The image of a vector, [1, C, H, W] in float32 and in [0, 1].</summary>
    /// <param name="vector">[1, W].</param>
    /// <param name="noise">Number of the image whose noise it has, where the model adds some to its layers.</param>
    public Tensor Image(Tensor vector, long noise) => Torch.Scope(() => Of(vector, noise));

    /// <summary>Many images at once, [n, C, H, W] in float32 and in [0, 1], for figures of many: the noise is that of the first.</summary>
    /// <param name="numbers">Numbers of the images, at least one.</param>
    public Tensor Batch(IReadOnlyList<long> numbers) => Torch.Scope(() => Of(Torch.Cat([.. numbers.Select(Vector)], 0), numbers[0]));

    private Tensor Of(Tensor vectors, long noise)
    {
        using var outside = Torch.NoGrad();
        var (training, before) = (model.Training, RandomState.Of(device));
        model.Eval();
        try
        {
            Seed(new SampleRandom(seed, 0, noise, NoiseStream).NextBits());
            return Made(Placed(vectors)).To(DType.Float32).Clamp(0, 1);
        }
        finally
        {
            before.Restore();
            model.Train(training);
        }
    }

    private Tensor Made(Tensor vectors)
    {
        if (mean is null)
            return model.Call(vectors);
        var styles = model.Styles(vectors);
        return model.ImagesOf((mean + (styles.To(DType.Float64) - mean) * truncation).To(styles.DType));
    }

    private void Seed(ulong noise)
    {
        using var generator = Generator.Default(device);
        generator.Seed(noise);
    }
}
