// Convolutions of one bit, packed, against float32: the engine's and our own compiled one, at 256 channels of 14 x 14 and at maps of BATS.
// Arguments: threads (1 and 2 by default), rounds. TESSERA_KERNELS chooses the kernels of both our sides.
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Tessera;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int[] threads = args.Length > 0 ? [int.Parse(args[0])] : [1, 2];
var rounds = args.Length > 1 ? int.Parse(args[1]) : 60;
Console.WriteLine("# Convolutions of one bit, packed, against float32");
Console.WriteLine();
Console.WriteLine(
    $"{Processor()}, kernels {CompiledModel.Kernels}, libtorch {Torch.Version}, "
        + $"OPENBLAS_CORETYPE={Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") ?? "(unset)"}. One image; medians of {rounds} rounds "
        + "in which all sides run once. Packed: from float32 maps to float32 maps, with the packing of the inputs; the weights are packed."
);
Console.WriteLine();
Console.WriteLine("| map | kernel | groups | threads | engine ms | ours ms | packed ms | ours / packed | engine / packed |");
Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
foreach (var count in threads)
foreach (
    var (channels, side, kernel, groups) in new[] { (256, 14, 3, 1), (256, 14, 1, 1), (512, 7, 3, 1), (36, 32, 3, 12), (36, 32, 5, 12) }
)
    Compare(channels, side, kernel, groups, count);

void Compare(int channels, int side, int kernel, int groups, int count)
{
    using var scope = Torch.Scope();
    using var mode = Torch.NoGrad();
    Torch.Threads = count;
    Torch.Seed(0);
    var x = Torch.Randn([1, channels, side, side]);
    var engine = new Conv2d(channels, channels, kernel, padding: kernel / 2, groups: groups, bias: false);
    var packed = new BinaryConv2d(channels, channels, kernel, padding: kernel / 2, groups: groups);
    packed.Eval();
    packed.Pack();
    var model = new OneConvolution(engine, channels, side);
    model.Eval();
    // Grouped convolutions are the engine's in compiled models too.
    using var ours = model.Compile(new() { Threads = count, Embedding = true });
    Action[] sides = [() => engine.Call(x), () => ours.Call(x), () => packed.Call(x)];
    List<double>[] times =
    [
        [],
        [],
        [],
    ];
    for (var round = -3; round < rounds; round++)
        foreach (var (i, run) in sides.Index())
        {
            using var inner = Torch.Scope();
            var begun = Stopwatch.GetTimestamp();
            run();
            if (round >= 0)
                times[i].Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
        }
    var (a, b, c) = (Median(times[0]), Median(times[1]), Median(times[2]));
    Console.WriteLine(
        $"| {channels} x {side} x {side} | {kernel} x {kernel} | {groups} | {count} | {a:F3} | {b:F3} | {c:F3} | {b / c:F1} | {a / c:F1} |"
    );
}

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

static string Processor() =>
    Regex.Match(File.ReadAllText("/proc/cpuinfo"), "model name\\s*: (.*)") is { Success: true } found ? found.Groups[1].Value : "processor";

/// <summary>A convolution as a model, so that it can be compiled; of its result one position is handed out.</summary>
internal sealed class OneConvolution(Conv2d convolution, int channels, int side) : Backbone
{
    public override (int Height, int Width) ImageSize => (side, side);
    public override int Channels => channels;
    public override int Classes => 0;
    public override int NumFeatures => channels;
    public override IReadOnlyList<string> BlockPaths => [];
    public override IReadOnlyList<string> ClassifierNames => [];

    protected override void ListMembers(Members members) => members.Add("convolution", convolution);

    protected override Tensor Features(Tensor input) => convolution.Call(input);

    protected override Tensor Pool(Tensor features) => features.Slice(2, 0, 1).Slice(3, 0, 1).Flatten(1);

    protected override Tensor Classify(Tensor pooled) => pooled;

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 1)];

    public override void ResetClassifier(int classes) => throw new NotSupportedException();

    public override void Resize(int height, int width) => throw new NotSupportedException();
}
