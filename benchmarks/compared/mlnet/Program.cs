using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;

// compared-mlnet DATA: what ML.NET 5 trains on the same images. It has no trainer for networks of images on Linux beyond pictures' features,
// so this is its multi-class logistic regression on the pixels.
const int Images = 10_000;
var context = new MLContext(seed: 0);
var train = context.Data.LoadFromEnumerable(Read(args[0], "train", Images));
var test = context.Data.LoadFromEnumerable(Read(args[0], "t10k", 10_000));
var watch = Stopwatch.StartNew();
var model = context
    .Transforms.Conversion.MapValueToKey("Label")
    .Append(context.MulticlassClassification.Trainers.LbfgsMaximumEntropy(historySize: 20))
    .Fit(train);
Console.WriteLine($"trained {Images} images in {watch.Elapsed.TotalSeconds:F1} s");
watch.Restart();
var metrics = context.MulticlassClassification.Evaluate(model.Transform(test));
Console.WriteLine($"top-1 {100 * metrics.MicroAccuracy:F2} % of 10000 images in {watch.Elapsed.TotalSeconds:F1} s");

static IEnumerable<Sample> Read(string folder, string part, int count)
{
    var images = File.ReadAllBytes(Path.Combine(folder, $"{part}-images-idx3-ubyte"));
    var labels = File.ReadAllBytes(Path.Combine(folder, $"{part}-labels-idx1-ubyte"));
    for (var i = 0; i < count; i++)
        yield return new()
        {
            Label = labels[8 + i],
            Features = Array.ConvertAll(images[(16 + 784 * i)..(16 + 784 * (i + 1))], p => p / 255f),
        };
}

internal sealed class Sample
{
    public uint Label { get; set; }

    [VectorType(784)]
    public float[] Features { get; set; } = [];
}
