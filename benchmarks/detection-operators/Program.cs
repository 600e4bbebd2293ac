using System.Globalization;
using System.Runtime.InteropServices;
using Tessera;
using Tessera.Benchmarks;
using Tessera.Models.Detection;

// Tessera's side of the benchmark of detection's operators; worker.py is the other. Arguments: setting, folder of inputs, threads.
// Of outputs, every 97th number is compared.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var (setting, folder) = (args[0].Split(' '), args[1]);
Torch.Threads = int.Parse(args[2]);
int Number(int place) => int.Parse(setting[place]);
Tensor Input(string name, params long[] shape) =>
    Tensor.From(MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder, name)).AsSpan()).ToArray()).Reshape(shape);

Func<Tensor> run;
switch (setting[0])
{
    case "roi_align":
        var maps = Input("maps", Number(1), Number(2), Number(3), Number(4));
        maps.RequiresGrad = true;
        var rois = Input("rois", -1, 5);
        var align = new RoiAlign(Number(6), Number(6), 0.25, Number(7));
        run = () => Differentiated(align.Apply(maps, rois), maps);
        break;
    case "nms":
        var (boxes, scores, groups) = (Input("boxes", -1, 4), Input("scores", -1), Input("groups", -1).To(DType.Int64));
        run = () => Nms.Keep(boxes, scores, 0.5, groups);
        break;
    case "focal":
        var logits = Input("logits", Number(1), Number(2));
        logits.RequiresGrad = true;
        var labels = Input("labels", -1).To(DType.Int64);
        run = () => Differentiated(new FocalLoss().Sum(logits, labels), logits);
        break;
    case "paste":
        var (masks, corners) = (Input("masks", Number(1), 28, 28), Input("boxes", -1, 4));
        run = () =>
            Tensor.From([
                .. MaskPaste.Runs(masks, corners, Number(2), Number(3)).Select(runs => (float)runs.Where((_, i) => i % 2 == 1).Sum()),
            ]);
        break;
    default:
        throw new ArgumentException($"no operator is called {setting[0]}");
}
Protocol.Serve(
    () =>
    {
        using var scope = Torch.Scope();
        run();
    },
    () =>
    {
        using var scope = Torch.Scope();
        return run().To(DType.Float32).Reshape(-1).Slice(0, 0, null, 97).ToArray<float>();
    }
);

// Forward and backward; gives the gradient, in which the values are.
static Tensor Differentiated(Tensor output, Tensor input) => Autograd.Grad([output.Square().Sum()], [input])[0]!;
