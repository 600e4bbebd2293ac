using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Tessera;
using Tessera.Benchmarks;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Optim;
using Tessera.Training.Losses;

// Tessera's side of the benchmark on a GPU; run.py starts it.
//   prepare MODEL FILE                                             initial weights for all sides; prints what the model costs
//   peak DEVICE                                                    prints the rate of a large product in bfloat16, in TFLOP/s
//   eager|graph MODEL WEIGHTS BATCH DEVICE PRECISION ORDER STEPS   answers the commands that protocol.py describes; a run is so many steps
// PRECISION is bf16 or float32, ORDER plain or channels_last.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    case ["prepare", var prepared, var target]:
        Preparation.Write(() => Build(prepared), target);
        return;
    case ["peak", var where]:
        Console.WriteLine($"{Peak(Device.Parse(where)):F2}");
        return;
}

const int warmUps = 3;
var device = Device.Parse(args[4]);
var onGpu = device.Type == DeviceType.Cuda;
var brief = args[5] switch
{
    "bf16" => true,
    "float32" => false,
    _ => throw new ArgumentException($"precision '{args[5]}': bf16 or float32 was expected"),
};
var (batch, steps) = (int.Parse(args[3]), int.Parse(args[7]));
var model = Build(args[1]);
using (var file = Checkpoint.Open(args[2]))
    model.LoadStateDict(file.StateDict());
model.Train();
model.To(device);
var order = args[6] == "channels_last" ? MemoryFormat.ChannelsLast : MemoryFormat.Contiguous;
if (order == MemoryFormat.ChannelsLast)
    model.To(order);

// The same numbers on every side: one engine draws them from one seed.
Torch.Seed(1);
var images = Torch.Randn([batch, model.Channels, model.ImageSize.Height, model.ImageSize.Width], device: device).Contiguous(order);
var labels = Torch.Randint(model.Classes, [batch], DType.Int64, device: device);
var last = Torch.Zeros([], device: device);
var optimizer = new AdamW(ParameterGroup.All(model, weightDecay: 0.01), learningRate: 5e-4);
Torch.Seed(0);
CudaGraph? graph = null;
if (args[0] == "graph")
{
    optimizer.Recordable = true;
    graph = CudaGraph.Capture(Step, warmUps: warmUps);
}
else
    for (var i = 0; i < warmUps; i++)
        Step();
Action step = graph is null ? Step : graph.Replay;
Protocol.Serve(Run, losses: Curve, memory: onGpu ? () => Cuda.Memory().Peak / 1048576.0 : null);
return;

void Step()
{
    using var scope = new Scope();
    optimizer.ZeroGrad();
    Tensor loss;
    using (brief ? Torch.Autocast(DType.BFloat16, device.Type) : null)
        loss = ClassificationLosses.CrossEntropy(model.Call(images), labels);
    loss.Backward();
    optimizer.Step();
    // Where a replay finds it, too.
    using var outside = Torch.NoGrad();
    last.Copy_(loss.Detach());
}

void Run()
{
    for (var i = 0; i < steps; i++)
        step();
    if (onGpu)
        Cuda.Synchronize();
}

IEnumerable<double> Curve(int count)
{
    for (var i = 0; i < count; i++)
    {
        step();
        yield return last.ToDouble();
    }
}

// As PyTorch's models of this benchmark: without stochastic depth but for CCT's.
static Backbone Build(string name) =>
    Registry.Create(
        name,
        name.StartsWith("cct", StringComparison.Ordinal)
            ? null
            : new ModelOptions
            {
                Dropout = 0,
                AttentionDropout = 0,
                DropPath = 0,
            }
    );

static double Peak(Device device)
{
    var onGpu = device.Type == DeviceType.Cuda;
    var (side, runs) = onGpu ? (8192L, 20) : (1024L, 5);
    using var scope = new Scope();
    // Random numbers: products of zeros run faster than those of data.
    var (a, b) = (Torch.Randn([side, side], DType.BFloat16, device: device), Torch.Randn([side, side], DType.BFloat16, device: device));
    var started = 0L;
    for (var i = -3; i < runs; i++)
    {
        if (i == 0)
        {
            if (onGpu)
                Cuda.Synchronize();
            started = Stopwatch.GetTimestamp();
        }
        a.Matmul(b).Dispose();
    }
    if (onGpu)
        Cuda.Synchronize();
    return runs * 2.0 * side * side * side / Stopwatch.GetElapsedTime(started).TotalSeconds / 1e12;
}
