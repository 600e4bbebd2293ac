using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Training.Tasks.Generation;

/// <summary>A training image that looks most like another one.</summary>
/// <param name="Index">Position in the training data.</param>
/// <param name="Distance">Root mean square difference of the pixels, in [0, 1].</param>
/// <param name="Mirrored">Whether the training image is mirrored there.</param>
internal sealed record NearImage(int Index, double Distance, bool Mirrored);

/// <summary>
/// Training images, to look for those that others look most like, so that copying shows. Larger images are compared at 32 pixels; mirrored
/// training images count too.
/// </summary>
internal sealed class NearestTraining
{
    // Of images of 32 pixels in colour: 60 MB.
    private const int Most = 5000,
        Side = 32,
        Batch = 128;

    private readonly Tensor rows; // [N, C h w]
    private readonly IReadOnlyList<int> indices;

    /// <summary>Reads at most 5,000 training images, spread evenly.</summary>
    /// <param name="training">Training samples with what happens to them before the model.</param>
    internal NearestTraining((LoadableDataset Data, Pipeline Pipeline) training) =>
        (rows, indices) = Read(training.Data, training.Pipeline, Most);

    /// <summary>Number of training images.</summary>
    internal int Count => indices.Count;

    /// <summary>Images of a data set as rows, [n, C h w], with their positions.</summary>
    /// <param name="data">The data.</param>
    /// <param name="pipeline">What happens to them before the model.</param>
    /// <param name="most">At most so many, spread evenly.</param>
    internal static (Tensor Rows, IReadOnlyList<int> Indices) Read(LoadableDataset data, Pipeline pipeline, int most)
    {
        using var scope = new Scope();
        var loader = new Loader(
            data,
            pipeline,
            new(Batch)
            {
                Sampler = new EvenlySpaced(most),
                Replacement = Replacement.None,
                UnreadableLimit = 1,
            }
        );
        List<Tensor> parts = [];
        List<int> indices = [];
        foreach (var batch in loader.Epoch(0))
        {
            parts.Add(Rows(batch.Inputs));
            indices.AddRange(batch.Indices);
        }
        return (scope.Return(Torch.Cat([.. parts], 0)), indices);
    }

    /// <summary>Images [n, C, H, W] as rows [n, C h w].</summary>
    internal static Tensor Rows(Tensor images) => Torch.Scope(() => Small(images).Flatten(1).Contiguous());

    private static Tensor Small(Tensor images)
    {
        var all = images.Detach().To(Device.Cpu).To(DType.Float32);
        return Math.Max(all.Size(2), all.Size(3)) <= Side ? all : all.AdaptiveAvgPool2d([Side, Side]);
    }

    /// <summary>Of each image the nearest training images, the nearest first.</summary>
    /// <param name="images">Images of the training images' size, [n, C, H, W].</param>
    /// <param name="count">How many of each.</param>
    internal IReadOnlyList<IReadOnlyList<NearImage>> Of(Tensor images, int count)
    {
        using var scope = new Scope();
        var (plain, mirrored) = (Rows(images), Rows(images.Flip([3])));
        var (near, turned) = (Squares(plain), Squares(mirrored));
        var (_, found) = near.Minimum(turned).Topk((int)Math.Min(count, rows.Size(0)), 1, false);
        var (places, each) = (found.ToArray<long>(), (int)found.Size(1));
        return
        [
            .. Enumerable
                .Range(0, (int)images.Size(0))
                .Select(image =>
                    (IReadOnlyList<NearImage>)
                        [
                            .. places[(image * each)..((image + 1) * each)]
                                .Select(place => Measured(plain[image], mirrored[image], place))
                                .OrderBy(one => one.Distance),
                        ]
                ),
        ];
    }

    // [n, N], by the products of rows.
    private Tensor Squares(Tensor of) => of.Square().Sum([1], true) + rows.Square().Sum([1]).Unsqueeze(0) - of.Matmul(rows.MT) * 2;

    // Products of rows lose the digits of a small distance: of those that were found it is computed once more.
    private NearImage Measured(Tensor plain, Tensor mirrored, long place)
    {
        var (own, turned) = (Distance(plain), Distance(mirrored));
        return new(indices[(int)place], Math.Min(own, turned), turned < own);

        double Distance(Tensor row) => Math.Sqrt((row - rows[place]).To(DType.Float64).Square().Mean().ToDouble());
    }
}
