using Tessera.Nn;

namespace Tessera.Training.Losses;

/// <summary>Target and loss for the distance of two places.</summary>
public enum LocalizationMode
{
    /// <summary>Two numbers, by their absolute error.</summary>
    L1,

    /// <summary>A class per distance and axis, by cross-entropy.</summary>
    Ce,

    /// <summary>The same classes, by the error of their mean in units of their variance: cycle-back regression.</summary>
    Cbr,
}

/// <summary>Form of the target.</summary>
/// <param name="Mode">Loss: l1 (the default), ce or cbr.</param>
/// <param name="Absolute">True for distances without sign, false for signed ones.</param>
/// <param name="Normalized">L1: distances as a share of the largest one (the paper's formula; the published code does not).</param>
public sealed record LocalizationTarget(LocalizationMode Mode = LocalizationMode.L1, bool Absolute = true, bool Normalized = false);

/// <summary>
/// A small network that says from the features of two places of a map how far apart they are, by rows and by columns (Liu et
/// al., "Efficient Training of Visual Transformers with Small Datasets", 2021, arXiv:2106.03746, section 4 and appendix).
/// </summary>
public sealed partial class RelativeLocalization : Module
{
    /// <summary>Width of the two hidden layers.</summary>
    public const int Hidden = 512;

    private const double Least = 1e-8,
        Spread = 0.001;

    private readonly Sequential layers;
    private readonly ModuleList<Linear>? unshared; // rows, columns
    private readonly LocalizationTarget target;
    private readonly int bins;

    /// <summary>A network with PyTorch's default initialisation.</summary>
    /// <param name="channels">Channels C of the map, at least 1.</param>
    /// <param name="bins">Classes per axis of <c>ce</c> and <c>cbr</c>; for maps of K x K places at least K, or 2 K - 1 with signs.</param>
    /// <param name="target">Form of the distances and their loss.</param>
    public RelativeLocalization(int channels, int bins, LocalizationTarget target)
    {
        (this.target, this.bins) = (target, bins);
        var classes = target.Mode != LocalizationMode.L1;
        layers = new(
            new Linear(2 * channels, Hidden),
            new Relu(),
            new Linear(Hidden, Hidden),
            new Relu(),
            new Linear(Hidden, classes ? Hidden : 2)
        );
        if (classes)
            unshared = new(new Linear(Hidden, bins), new Linear(Hidden, bins));
    }

    /// <summary>Draws m pairs of places for every image, each coordinate uniform, from the default generator of the map's device.</summary>
    /// <param name="map">Feature map, [B, C, H, W].</param>
    /// <param name="samples">Pairs per image m, at least 1.</param>
    /// <returns>Two int64 tensors [B, m, 2] of rows and columns.</returns>
    public static (Tensor First, Tensor Second) Draw(Tensor map, int samples) =>
        Torch.Scope(() =>
        {
            var size = Tensor.From<double>([map.Size(2), map.Size(3)]).To(map.Device);
            return (Places(), Places());

            Tensor Places() => (Torch.Rand([map.Size(0), samples, 2], DType.Float64, device: map.Device) * size).To(DType.Int64);
        });

    /// <summary>Predictions: [B m, 2], or [B m, bins, 2] with rows in front of columns along the last dimension.</summary>
    /// <param name="map">Feature map, [B, C, H, W].</param>
    /// <param name="first">First places of the pairs, int64 rows and columns, [B, m, 2].</param>
    /// <param name="second">Second places of the pairs, likewise.</param>
    public Tensor Predict(Tensor map, Tensor first, Tensor second) =>
        Torch.Scope(() =>
        {
            var places = map.Flatten(2).Transpose(1, 2); // [B, H W, C]
            var pairs = Torch.Cat([Features(first), Features(second)], 2).Flatten(0, 1); // [B m, 2 C]
            var shared = layers.Call(pairs);
            return unshared is null ? shared : Torch.Stack([unshared[0].Call(shared), unshared[1].Call(shared)], 2);

            Tensor Features(Tensor at)
            {
                var index = at.Select(2, 0) * map.Size(3) + at.Select(2, 1); // [B, m]
                return places.Gather(1, index.Unsqueeze(2).Expand([-1, -1, map.Size(1)]));
            }
        });

    /// <summary>Distances by rows and columns, [B m, 2]: in the map's type for <c>l1</c>, int64 classes otherwise.</summary>
    /// <param name="map">Feature map, [B, C, H, W]; only its size and type count.</param>
    /// <param name="first">First places of the pairs, int64 rows and columns, [B, m, 2].</param>
    /// <param name="second">Second places of the pairs, likewise.</param>
    public Tensor Targets(Tensor map, Tensor first, Tensor second) =>
        Torch.Scope(() =>
        {
            var delta = (first - second).Flatten(0, 1);
            var largest = Tensor.From<long>([map.Size(2) - 1, map.Size(3) - 1]).To(map.Device);
            var distance = target.Absolute ? delta.Abs() : delta + largest;
            if (target.Mode != LocalizationMode.L1)
                return distance;
            var real = distance.To(map.DType);
            return target.Normalized ? real / ((target.Absolute ? largest : largest * 2).To(map.DType)) : real;
        });

    /// <summary>The loss of predictions against targets: a sum over both axes, but for <c>l1</c> a mean.</summary>
    /// <param name="prediction">Result of <see cref="Predict"/>.</param>
    /// <param name="targets">Result of <see cref="Targets"/>, [B m, 2].</param>
    public Tensor Loss(Tensor prediction, Tensor targets) =>
        Torch.Scope(() =>
            target.Mode == LocalizationMode.L1
                ? (prediction - targets).Abs().Mean()
                : AxisLoss(prediction.Select(2, 0), targets.Select(1, 0)) + AxisLoss(prediction.Select(2, 1), targets.Select(1, 1))
        );

    private Tensor AxisLoss(Tensor scores, Tensor distances) // [B m, bins], [B m]
    {
        if (target.Mode == LocalizationMode.Ce)
            return ClassificationLosses.CrossEntropy(scores, distances);
        var shares = scores.Softmax(1);
        var places = Torch.Arange(bins, device: scores.Device).To(scores.DType);
        var mean = (shares * places).Sum(1, true);
        var variance = (shares * (places - mean).Square()).Sum(1) + Least;
        return ((mean.Squeeze(1) - distances).Square() / variance + Spread * variance.Log()).Mean();
    }

    /// <summary>The loss of random pairs of a map.</summary>
    /// <param name="map">Feature map, [B, C, H, W].</param>
    /// <param name="samples">Pairs per image m, at least 1.</param>
    public Tensor Loss(Tensor map, int samples) =>
        Torch.Scope(() =>
        {
            var (first, second) = Draw(map, samples);
            return Loss(Predict(map, first, second), Targets(map, first, second));
        });
}
