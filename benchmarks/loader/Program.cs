using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;

// Images per second of processor time from JPEG files to normalised batches of float32, on one thread.
// Arguments: folder, plain or augment, seconds, exact or shrink.
// compare.py runs it in turn with torchvision.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Torch.Threads = 1;
var (folder, kind, seconds) = (args[0], args[1], double.Parse(args[2]));
var set = Datasets.OpenImages("image_folder", "train", folder);
Transform[] transforms =
    kind == "augment"
        ? [new RandomResizedCrop(224), new RandomHorizontalFlip(), new RandAugment("rand-m9-n2-p1")]
        : [new RandomResizedCrop(224), new RandomHorizontalFlip()];
var loader = new Loader(
    set,
    new Pipeline(transforms) { ShrinkOnLoad = args is [_, _, _, "shrink"] },
    new(16) { Shuffle = true, Workers = 0 }
);
var (images, started, used) = (0, Stopwatch.GetTimestamp(), TimeSpan.Zero);
for (var epoch = 0; ; epoch++)
{
    foreach (var batch in loader.Epoch(epoch))
    {
        images += batch.Count;
        batch.Dispose();
        // The first third of the time pays for compiling and for memory.
        if (used == TimeSpan.Zero && Stopwatch.GetElapsedTime(started).TotalSeconds > seconds / 3)
            (images, used) = (0, Environment.CpuUsage.TotalTime);
        if (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds || images == 0)
            continue;
        Console.WriteLine($"{images / (Environment.CpuUsage.TotalTime - used).TotalSeconds:0.00}");
        return;
    }
}
