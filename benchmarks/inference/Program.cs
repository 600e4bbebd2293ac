using System.Runtime.InteropServices;
using System.Text.Json;
using Tessera;
using Tessera.Benchmarks;
using Tessera.Checkpoints;
using Tessera.Deploy;
using Tessera.Nn;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;

// Tessera's side of the inference benchmark; run.py starts it.
//   prepare MODEL FILE                          weights for all sides; prints what the model costs
//   breakdown PRECISION MODEL WEIGHTS THREADS   what the steps of a compiled model take for one image, by kind
//   agree RUN                                   how many test images of a run get the same class compiled, in both types
//   eager|float32|bfloat16 MODEL WEIGHTS INPUT BATCH THREADS      answers the commands that protocol.py describes
using var inference = Torch.Inference();
if (args is ["prepare", var prepared, var target])
{
    Preparation.Write(() => Prepared(prepared), target);
    return;
}
if (args is ["breakdown", var precision, var taken, var itsWeights, var threads])
{
    Breakdown(precision, taken, itsWeights, int.Parse(threads));
    return;
}
if (args is ["agree", var folderOfRun])
{
    Agree(folderOfRun);
    return;
}

var (mode, name, weights, input) = (args[0], args[1], args[2], args[3]);
Torch.Threads = int.Parse(args[5]);
var subject = Load(name, weights);
var images = Tensor.From(
    MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(input)),
    int.Parse(args[4]),
    subject.Channels,
    subject.Side,
    subject.Side
);
Func<Tensor> run;
if (mode == "eager")
    run = () => subject.Model.Call(images);
else
{
    var compiled = Compile(subject, mode);
    run = () => compiled.Call(images);
}
Protocol.Serve(() => Torch.Scope(run).Dispose(), () => Torch.Scope(run).ToArray<float>());

static Subject Load(string name, string weights)
{
    var subject = Subject.Create(name);
    using (var file = Checkpoint.Open(weights))
        subject.Model.LoadStateDict(file.StateDict());
    subject.Model.Eval();
    return subject;
}

static CompiledModel Compile(Subject subject, string precision) =>
    subject.Compile(new() { Precision = Enum.Parse<DType>(precision, ignoreCase: true), Threads = Torch.Threads });

// What a step computes with is its kind; what it stands for tells products of one depth from those of another, which run at other speeds.
static void Breakdown(string precision, string name, string weights, int threads)
{
    Torch.Threads = threads;
    using var compiled = Compile(Load(name, weights), precision);
    var steps = compiled.Profile(50);
    var kinds = steps
        .GroupBy(step => step.Kind)
        .Select(kind => new
        {
            kind = kind.Key,
            steps = kind.Count(),
            ms = kind.Sum(step => step.Milliseconds),
            macs = kind.Sum(step => step.Macs),
        });
    Console.WriteLine(JsonSerializer.Serialize(kinds.OrderByDescending(kind => kind.ms)));
}

// Freshly initialised, biases are 0, norms the identity and position tables next to nothing: what is wrong with them would not show.
static (Layer Model, int Channels, int Side, int Classes) Prepared(string name)
{
    var subject = Subject.Create(name);
    foreach (var (path, tensor) in subject.Model.StateDict())
    {
        if (!tensor.DType.IsFloat() || path.EndsWith("attn_mask", StringComparison.Ordinal))
            continue;
        using var scope = new Scope();
        if (path.EndsWith("running_var", StringComparison.Ordinal))
            tensor.Uniform_(0.5, 1.5);
        else
            tensor.Add_(Torch.Randn(tensor.Shape) * (tensor.Dim == 1 ? 0.1 : 0.02));
        // Scores over thousands of pixels: far apart, rounding would choose other ones.
        if (path.StartsWith("tokenizer.", StringComparison.Ordinal) || path.EndsWith("query.weight", StringComparison.Ordinal))
            tensor.Mul_(0.05);
    }
    return (subject.Model, subject.Channels, subject.Side, subject.Classes);
}

static void Agree(string folder)
{
    var trained = ModelBundle.Load(folder);
    var measurement = BundleMeasurement.OfRun(folder, trained, new());
    foreach (var precision in new[] { DType.Float32, DType.BFloat16 })
    {
        using var compiled = trained.Model.Compile(new() { Precision = precision });
        long equal = 0,
            count = 0;
        var largest = 0.0;
        measurement.Run(Precision.Fp32, predict: images =>
        {
            var (logits, fast) = (trained.Model.Call(images), compiled.Call(images));
            equal += logits.Argmax(1).Eq(fast.Argmax(1)).Sum().ToInt64();
            count += images.Size(0);
            largest = Math.Max(largest, (logits - fast).Abs().Max().ToDouble());
            return fast;
        });
        Console.WriteLine(
            $"{precision.Name()}: {equal:N0} of {count:N0} test images get the same class ({100.0 * equal / count:0.00} %), "
                + $"largest difference of a logit {largest:0.0e+0}"
        );
    }
}
