using System.Runtime.InteropServices;
using Tessera;
using Tessera.Benchmarks;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Optim;

// Tessera's side of the benchmark of detectors; worker.py is the other. Arguments: work, model, weights, images, batch, threads.
// Work is train (a step), predict (compiled) or eager. Weights are torchvision's.
const int Classes = 20,
    Height = 480,
    Width = 640,
    Objects = 6;
float[] mean = [0.485f, 0.456f, 0.406f],
    deviation = [0.229f, 0.224f, 0.225f];

Torch.Threads = int.Parse(args[5]);
var batch = int.Parse(args[4]);
DetectorOptions options = args[1] switch
{
    "retinanet" => new RetinaNetOptions(Style: DetectorStyle.Torchvision),
    "faster_rcnn" => new FasterRcnnOptions(Style: DetectorStyle.Torchvision),
    "mask_rcnn" => new MaskRcnnOptions(Style: DetectorStyle.Torchvision),
    var name => throw new ArgumentException($"model '{name}': retinanet, faster_rcnn or mask_rcnn was expected"),
};

// torchvision's RetinaNet counts background as a class that nothing learns.
var detector = options.Create(Registry.Create("resnet50"), args[1] == "retinanet" ? Classes + 1 : Classes);
detector.Load(args[2]);
var given = Tensor.From(MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(args[3])).ToArray()).Reshape(-1, 3, Height, Width);
var images = ((given - Tensor.From(mean).Reshape(3, 1, 1)) / Tensor.From(deviation).Reshape(3, 1, 1)).Slice(0, 0, batch);
Torch.Seed(0);
switch (args[0])
{
    case "train":
        detector.Train();
        DetectorTargets[] targets = [.. Enumerable.Range(0, batch).Select(_ => Target())];
        var optimizer = new AdamW(ParameterGroup.All(detector, weightDecay: 0.01), learningRate: 1e-5);
        Protocol.Serve(() => Step(optimizer, targets), losses: count => Enumerable.Range(0, count).Select(_ => Step(optimizer, targets)));
        break;
    case "predict":
        detector.Eval();
        using (var compiled = detector.Compile())
            Protocol.Serve(() => Predict(x => DenseOutputs.Unpack(compiled.Call(x))));
        break;
    case "eager":
        detector.Eval();
        Protocol.Serve(() => Predict(detector.Dense));
        break;
    default:
        throw new ArgumentException($"work '{args[0]}': train, predict or eager was expected");
}

double Step(AdamW optimizer, DetectorTargets[] targets)
{
    using var scope = new Scope();
    optimizer.ZeroGrad();
    var loss = detector.Losses(images, targets).Values.Aggregate((sum, one) => sum + one);
    loss.Backward();
    optimizer.Step();
    return loss.ToDouble();
}

void Predict(Func<Tensor, DenseOutputs> dense)
{
    using var scope = new Scope();
    using var outside = Torch.NoGrad();
    detector.Detect(images, dense);
}

// As worker.py has them.
DetectorTargets Target()
{
    var masks = Torch.Zeros([Objects, Height, Width], DType.UInt8);
    var boxes = new float[4 * Objects];
    for (var i = 0; i < Objects; i++)
    {
        int[] box = [90 * i, 60 * i, 90 * i + 40 + 20 * i, 60 * i + 60 + 15 * i];
        masks.Select(0, i).Slice(0, box[1], box[3]).Slice(1, box[0], box[2]).Fill_(1);
        box.Select(edge => (float)edge).ToArray().CopyTo(boxes, 4 * i);
    }
    return new(
        (Height, Width),
        Tensor.From(boxes, Objects, 4),
        Tensor.From([.. Enumerable.Range(0, Objects).Select(i => (long)i)], Objects),
        masks
    );
}
