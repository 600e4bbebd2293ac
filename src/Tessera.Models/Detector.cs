using System.Globalization;

namespace Tessera.Models;

/// <summary>
/// A model that finds objects: a backbone of any kind, a pyramid over its four maps, and heads that give boxes with classes, and perhaps
/// masks. Boxes are left, top, right and bottom in pixels of the images that it is given.
/// </summary>
public abstract class Detector : PyramidModel
{
    /// <summary>A detector over a backbone.</summary>
    /// <param name="backbone">Any model of images; it loses its classifier.</param>
    protected Detector(Backbone backbone)
        : base(backbone) { }

    /// <summary>Whether objects get masks, and training needs them.</summary>
    public virtual bool HasMasks => false;

    /// <summary>What the convolutions give for images, before any box is chosen.</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <exception cref="ShapeException">The model cannot take them.</exception>
    public DenseOutputs Dense(Tensor images) => Torch.Scope(() => Taking(images, () => ForwardDense(Maps(images))));

    /// <summary>The named losses of a batch, each with its weight; the training loss is their sum.</summary>
    /// <param name="images">[B, C, H, W], padded below and on the right to one size.</param>
    /// <param name="targets">The objects of each image; there may be none.</param>
    public OrderedDictionary<string, Tensor> Losses(Tensor images, IReadOnlyList<DetectorTargets> targets)
    {
        Expect(images, targets.Count, "targets");
        using var scope = new Scope();
        targets = [.. targets.Select(target => target.Checked(Classes))];
        return scope.Return(ForwardLosses(Taking(images, () => ForwardDense(Maps(images))), SizeOf(images), targets));
    }

    /// <summary>The objects that the model sees, the likeliest first.</summary>
    /// <param name="images">[B, C, H, W], padded below and on the right to one size.</param>
    /// <param name="sizes">Height and width of each image without its padding, to which boxes are clipped; null without padding.</param>
    public IReadOnlyList<Detections> Detect(Tensor images, IReadOnlyList<(int Height, int Width)>? sizes = null) =>
        Detect(images, Dense, sizes);

    /// <summary>The same with the convolutions computed elsewhere.</summary>
    /// <param name="images">[B, C, H, W], padded below and on the right to one size.</param>
    /// <param name="dense">Gives what <see cref="Dense"/> does.</param>
    /// <param name="sizes">Height and width of each image without its padding; null without padding.</param>
    public IReadOnlyList<Detections> Detect(
        Tensor images,
        Func<Tensor, DenseOutputs> dense,
        IReadOnlyList<(int Height, int Width)>? sizes = null
    )
    {
        sizes ??= [.. Enumerable.Repeat(SizeOf(images), (int)images.Size(0))];
        Expect(images, sizes.Count, "sizes");
        if (sizes.Count == 0)
            return [];
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return scope.Return(ForwardDetections(dense(images), SizeOf(images), sizes));
    }

    private static (int Height, int Width) SizeOf(Tensor images) => ((int)images.Size(2), (int)images.Size(3));

    private static void Expect(Tensor images, int count, string what)
    {
        if (images.Dim == 4 && images.Size(0) != count)
            throw new ShapeException(
                string.Create(CultureInfo.InvariantCulture, $"{images.Size(0)} images and the {what} of {count} were given")
            );
    }

    /// <summary>What the convolutions give for the maps of images.</summary>
    /// <param name="maps">Four maps from fine to coarse.</param>
    protected abstract DenseOutputs ForwardDense(IReadOnlyList<Tensor> maps);

    /// <summary>What <see cref="Losses"/> gives.</summary>
    /// <param name="dense">Outputs of the convolutions.</param>
    /// <param name="image">Height and width of the images with their padding.</param>
    /// <param name="targets">The objects of each image.</param>
    protected abstract OrderedDictionary<string, Tensor> ForwardLosses(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    );

    /// <summary>What <see cref="Detect(Tensor, IReadOnlyList{ValueTuple{int, int}})"/> gives.</summary>
    /// <param name="dense">Outputs of the convolutions.</param>
    /// <param name="image">Height and width of the images with their padding.</param>
    /// <param name="sizes">Height and width of each image without its padding.</param>
    protected abstract IReadOnlyList<Detections> ForwardDetections(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes
    );

    /// <summary>Number of scores of an anchor.</summary>
    protected abstract int ScoresPerAnchor { get; }

    /// <summary>Scores of all anchors, [B, n, scores], and what <see cref="Outputs.Differences"/> names, [B, n, 4].</summary>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        var dense = ForwardDense(Maps(input.Inputs));
        return new(DenseOutputs.Flat(dense.Scores, ScoresPerAnchor))
        {
            Named = new Dictionary<string, Tensor> { [Outputs.Differences] = DenseOutputs.Flat(dense.Differences, 4) },
        };
    }

    /// <summary>[B, C, H, W] to what <see cref="Dense"/> gives in one tensor, [B, n]; see <see cref="DenseOutputs.Pack"/>.</summary>
    protected override Tensor Forward(Tensor input)
    {
        CheckInput(input);
        return ForwardDense(Maps(input)).Pack();
    }
}

/// <summary>What the convolutions of a detector give for images.</summary>
/// <param name="Scores">Of each level, logits of the anchors at each position, [B, A * scores, h, w], those of an anchor together.</param>
/// <param name="Differences">Of each level, the differences of boxes from anchors, [B, A * 4, h, w].</param>
/// <param name="Levels">Maps of the pyramid that a second stage reads, [B, C, h, w]; empty without one.</param>
public sealed record DenseOutputs(IReadOnlyList<Tensor> Scores, IReadOnlyList<Tensor> Differences, IReadOnlyList<Tensor> Levels)
    : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Scores.Concat(Differences).Concat(Levels).Distinct();

    /// <summary>The values of all anchors of a level, in the order of rows, columns and base boxes.</summary>
    /// <param name="map">[B, A * values, h, w].</param>
    /// <param name="values">Number of values of an anchor.</param>
    /// <returns>[B, h * w * A, values].</returns>
    public static Tensor Flat(Tensor map, int values) => Torch.Scope(() => map.Permute(0, 2, 3, 1).Reshape(map.Size(0), -1, values));

    // Numbers before the maps say how many of each kind there are, and channels, rows and columns of each.
    private const int Kinds = 3,
        Sides = 3;

    /// <summary>All maps in one tensor, which also says what they are: what a detector gives when it is called, compiled or not.</summary>
    /// <returns>[B, n], of the type of the maps, but at least float32.</returns>
    public Tensor Pack() =>
        Torch.Scope(() =>
        {
            Tensor[] maps = [.. Scores, .. Differences, .. Levels];
            float[] header =
            [
                Scores.Count,
                Differences.Count,
                Levels.Count,
                .. maps.SelectMany(map => (float[])[map.Size(1), map.Size(2), map.Size(3)]),
            ];
            var first = Tensor.From(header, 1, header.Length).To(maps[0].Device).Expand([maps[0].Size(0), -1]);
            // Channels together, as compiled models lay maps out.
            return Torch.Cat([first, .. maps.Select(map => map.Permute(0, 2, 3, 1).Flatten(1))], 1);
        });

    /// <summary>
    /// The maps of a tensor that <see cref="Pack"/> made: <c>detector.Detect(images, x => DenseOutputs.Unpack(compiled.Call(x)))</c>.
    /// </summary>
    /// <param name="packed">[B, n], of at least one image.</param>
    /// <exception cref="ShapeException">It was not made by <see cref="Pack"/>.</exception>
    public static DenseOutputs Unpack(Tensor packed)
    {
        using var scope = new Scope();
        if (packed.Dim != 2 || packed.Size(0) == 0 || packed.Size(1) < Kinds)
            throw NotPacked(packed);
        int[] counts = [.. Header(0, Kinds).Select(value => (int)value)];
        if (counts.Any(count => count < 0) || Kinds + (long)Sides * counts.Sum(count => (long)count) > packed.Size(1))
            throw NotPacked(packed);
        var sides = Header(Kinds, Sides * counts.Sum());
        long start = Kinds + sides.Length;
        if (sides.Any(side => side is < 0 or > int.MaxValue) || start + sides.Chunk(Sides).Sum(Elements) != packed.Size(1))
            throw NotPacked(packed);
        Tensor[] maps = [.. sides.Chunk(Sides).Select(Next)];
        return scope.Return(
            new DenseOutputs(
                maps[..counts[0]],
                maps[counts[0]..(counts[0] + counts[1])],
                // Regions are read from maps in the order of the engine.
                [.. maps[(counts[0] + counts[1])..].Select(map => map.Contiguous())]
            )
        );

        long[] Header(int first, int count) =>
            [.. packed.Slice(0, 0, 1).Slice(1, first, first + count).To(DType.Float64).ToArray<double>().Select(value => (long)value)];

        static long Elements(long[] map) => map[0] * map[1] * map[2];

        Tensor Next(long[] map)
        {
            var (first, end) = (start, start += Elements(map));
            return packed.Slice(1, first, end).Reshape(-1, map[1], map[2], map[0]).Permute(0, 3, 1, 2);
        }
    }

    private static ShapeException NotPacked(Tensor packed) =>
        new($"the tensor of shape {packed.Shape} does not hold a detector's maps: it must be what a detector gives for at least one image");

    /// <summary>The values of all anchors of all levels.</summary>
    internal static Tensor Flat(IReadOnlyList<Tensor> maps, int values) => Torch.Cat([.. maps.Select(map => Flat(map, values))], 1);
}

/// <summary>The objects of an image, for training.</summary>
/// <param name="Size">Height and width of the image without the padding of its batch.</param>
/// <param name="Boxes">[n, 4], float32.</param>
/// <param name="Classes">[n], int64.</param>
/// <param name="Masks">[n, H, W], uint8, at the size of the padded image; null where they are not known.</param>
public sealed record DetectorTargets((int Height, int Width) Size, Tensor Boxes, Tensor Classes, Tensor? Masks = null)
{
    /// <summary>The same without objects that have no area: no other box has a place in relation to them.</summary>
    /// <exception cref="ArgumentException">A class is none of the model's: the one behind the last would pass for background.</exception>
    internal DetectorTargets Checked(int classes)
    {
        foreach (var one in Classes.ToArray<long>())
            if (one < 0 || one >= classes)
                throw new ArgumentException($"an object has class {one}: classes must be 0 to {classes - 1}");
        var area = (Boxes.Slice(1, 2) - Boxes.Slice(1, 0, 2)).Gt(0).All(1);
        if (area.All().ToDouble() == 1)
            return this;
        var kept = area.Nonzero().Flatten();
        return this with
        {
            Boxes = Boxes.IndexSelect(0, kept),
            Classes = Classes.IndexSelect(0, kept.To(Classes.Device)),
            Masks = Masks?.IndexSelect(0, kept.To(Masks.Device)),
        };
    }
}

/// <summary>Objects that a detector sees in an image, the likeliest first.</summary>
/// <param name="Boxes">[n, 4].</param>
/// <param name="Scores">Their probabilities, [n].</param>
/// <param name="Classes">[n], int64.</param>
/// <param name="Masks">Probability that each of S x S cells of its box belongs to the object, [n, S, S]; null without masks.</param>
public sealed record Detections(Tensor Boxes, Tensor Scores, Tensor Classes, Tensor? Masks = null) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Masks is null ? [Boxes, Scores, Classes] : [Boxes, Scores, Classes, Masks];

    /// <summary>Number of objects.</summary>
    public int Count => (int)Boxes.Size(0);
}

/// <summary>Sizes and options of a detection head, from which it is built over any backbone.</summary>
public abstract record DetectorOptions : HeadOptions
{
    /// <inheritdoc/>
    public abstract override Detector Create(Backbone backbone, int classes);
}
