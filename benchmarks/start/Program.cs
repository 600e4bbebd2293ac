using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Tessera;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Nn;

// Tessera's side of what run.py measures.
//   overhead CALLS               nanoseconds of an operator on tensors of next to nothing
//   predict MODEL WEIGHTS INPUT  the class of one image, from the start of the process on
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
using var inference = Torch.Inference();
Torch.Threads = 1;
switch (args)
{
    case ["overhead", var calls]:
        Overhead(int.Parse(calls));
        return;
    case ["predict", var name, var weights, var input]:
        Predict(name, weights, input);
        return;
    default:
        throw new ArgumentException("overhead CALLS, or predict MODEL WEIGHTS INPUT");
}

static void Overhead(int calls)
{
    var (a, b) = (Torch.Ones([1]), Torch.Ones([1]));
    var (x, weight, bias) = (Torch.Ones([1, 4]), Torch.Ones([4, 4]), Torch.Ones([4]));
    Measure("add", () => a.Add(b));
    Measure("reshape", () => x.Reshape(4, 1));
    Measure("linear", () => Torch.Linear(x, weight, bias));

    void Measure(string name, Func<Tensor> call)
    {
        // The first tenth is there for the compiler.
        for (var i = 0; i < calls / 10; i++)
            call().Dispose();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < calls; i++)
            call().Dispose();
        Console.WriteLine($"{name} {Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls:F1}");
    }
}

static void Predict(string name, string weights, string input)
{
    using var skip = Init.Skip();
    var model = Registry.Create(name);
    using (var file = Checkpoint.Open(weights))
        model.LoadStateDict(file.StateDict());
    model.Eval();
    var image = Tensor.From(
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(input)),
        1,
        model.Channels,
        model.ImageSize.Height,
        model.ImageSize.Width
    );
    var logits = model.Call(image).ToArray<float>();
    Console.WriteLine($"class {Array.IndexOf(logits, logits.Max())}");
}
