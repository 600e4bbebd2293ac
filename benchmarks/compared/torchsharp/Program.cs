using System.Diagnostics;
using Compared;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.PyBridge;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

// compared-torchsharp train|tune|classify DATA WEIGHTS THREADS: the tasks of docs/compared.md.
var (task, root, weights) = (args[0], args[1], args[2]);
const int Images = 10_000,
    Batch = 64;
set_num_threads(int.Parse(args[3]));
random.manual_seed(0);
using var model = new Vit(image: 28, channels: 1, classes: 10, patch: 4, dim: 96, depth: 6, heads: 3, hidden: 384);
if (task != "train")
    model.load_safetensors(weights);
if (task == "classify")
{
    using var test = torchvision.datasets.FashionMNIST(root, train: false);
    using var answers = no_grad();
    model.eval();
    var image = (test.GetTensor(0)["data"] - 0.2860) / 0.3530;
    var answer = functional.softmax(model.call(image.unsqueeze(0)), 1).topk(3, 1);
    Console.WriteLine($"classes {string.Join(' ', answer.indexes.data<long>())}: {string.Join(' ', answer.values.data<float>())}");
    return;
}

using var train = torchvision.datasets.FashionMNIST(root, train: true);
using var loader = torch.utils.data.DataLoader(train, Batch, shuffle: true, num_worker: 2);
var (decayed, plain) = (new List<Parameter>(), new List<Parameter>());
foreach (var parameter in model.parameters())
    (parameter.dim() > 1 ? decayed : plain).Add(parameter);
AdamW.ParamGroup[] groups = [new(decayed, lr: 1e-3, weight_decay: 0.05), new(plain, lr: 1e-3, weight_decay: 0)];
using var optimizer = optim.AdamW(groups);
var steps = Images / Batch;
var schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps);
var watch = Stopwatch.StartNew();
var done = 0;
model.train();
foreach (var batch in loader)
{
    using var scope = NewDisposeScope();
    var loss = functional.cross_entropy(model.call((batch["data"] - 0.2860) / 0.3530), batch["label"]);
    optimizer.zero_grad();
    loss.backward();
    nn.utils.clip_grad_norm_(model.parameters(), 1);
    optimizer.step();
    schedule.step();
    if (++done == steps)
        break;
}
Console.WriteLine($"trained {steps * Batch} images in {watch.Elapsed.TotalSeconds:F1} s");

using var held = torchvision.datasets.FashionMNIST(root, train: false);
using var tests = torch.utils.data.DataLoader(held, 256, shuffle: false, num_worker: 2);
watch.Restart();
var right = 0L;
model.eval();
using (no_grad())
    foreach (var batch in tests)
    {
        using var scope = NewDisposeScope();
        right += model.call((batch["data"] - 0.2860) / 0.3530).argmax(1).eq(batch["label"]).sum().item<long>();
    }
Console.WriteLine($"top-1 {right / 100.0:F2} % of 10000 images in {watch.Elapsed.TotalSeconds:F1} s");
if (task == "train")
    model.save_safetensors(weights);
