using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Data;

// Images per second of processor time from JPEG files to normalised batches of float32, on one thread. Arguments: folder, plain or augment, seconds.
// compare.py runs it in turn with torchvision.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Torch.Threads = 1;
var (folder, kind, seconds) = (args[0], args[1], double.Parse(args[2]));
var set = Datasets.OpenImages("image_folder", "train", folder);
Transform[] transforms = kind == "augment" ? [new RandomResizedCrop(224), new RandomFlip(), new RandAugment("rand-m9-n2")] : [new RandomResizedCrop(224), new RandomFlip()];
var loader = new Loader(set, new Pipeline(transforms), 64, shuffle: true, workers: 0);
var (images, started, used) = (0, 0L, TimeSpan.Zero);
for (var epoch = 0; ; epoch++)
{
    foreach (var batch in loader.Epoch(epoch))
    {
        // The first batch pays for compiling and for memory.
        if (started == 0) (started, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        else images += batch.Count;
        batch.Dispose();
        if (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds) continue;
        Console.WriteLine($"{images / (Environment.CpuUsage.TotalTime - used).TotalSeconds:0.00}");
        return;
    }
}
