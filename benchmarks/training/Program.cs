using System.Runtime.InteropServices;
using System.Text.Json;
using Tessera;
using Tessera.Benchmarks;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Optim;
using Tessera.Training.Losses;

// Tessera's side of the training benchmark; run.py starts it.
//   prepare MODEL FILE                                     initial weights for all sides; prints what the model costs
//   PRECISION MODEL WEIGHTS IMAGES LABELS BATCH THREADS    answers the commands that protocol.py describes; float32 or bfloat16
if (args is ["prepare", var prepared, var target])
{
    Preparation.Write(() => Build(prepared), target);
    return;
}

Torch.Threads = int.Parse(args[6]);
var model = Build(args[1]);
using (var file = Checkpoint.Open(args[2]))
    model.LoadStateDict(file.StateDict());
model.Train();
var labels = Tensor.From(MemoryMarshal.Cast<byte, long>(File.ReadAllBytes(args[4])));
var images = Tensor.From(
    MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(args[3])),
    labels.Size(0),
    model.Channels,
    model.ImageSize.Height,
    model.ImageSize.Width
);
var brief = args[0] switch
{
    "float32" => false,
    "bfloat16" => true,
    _ => throw new ArgumentException($"precision '{args[0]}': float32 or bfloat16 was expected"),
};
var batch = int.Parse(args[5]);
var optimizer = new AdamW(ParameterGroup.All(model, weightDecay: 0.01), learningRate: 5e-4);
Torch.Seed(0);
var done = 0L;
Protocol.Serve(() => Step(), losses: count => Enumerable.Range(0, count).Select(_ => Step()));

double Step()
{
    using var scope = new Scope();
    var first = done++ * batch % (labels.Size(0) - batch + 1);
    var (x, y) = (images.Slice(0, first, first + batch), labels.Slice(0, first, first + batch));
    optimizer.ZeroGrad();
    Tensor loss;
    using (brief ? Torch.Autocast() : null)
        loss = ClassificationLosses.CrossEntropy(model.Call(x), y);
    loss.Backward();
    optimizer.Step();
    return loss.ToDouble();
}

// No published size: ViT-Ti for images of 32 pixels has patches of 4.
static Backbone Build(string name) =>
    name == "vit_tiny_patch4_32" ? new Vit(new Vit.Config((32, 32), 4, 192, 12, 3, Classes: 10)) : Registry.Create(name);
