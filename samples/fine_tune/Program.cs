// Trains a model on photos of your own, which lie in PHOTOS/train/CLASS and PHOTOS/test/CLASS. It begins with the weights of an earlier
// run or of a checkpoint, whose classifier is replaced by one for your classes:
//   dotnet run --project samples/fine_tune -- PHOTOS OUT WEIGHTS [EPOCHS]
using System.Globalization;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

if (args is not [var photos, var output, var weights, .. var rest])
{
    Console.Error.WriteLine("usage: fine_tune PHOTOS OUT WEIGHTS [EPOCHS]");
    return 2;
}
var epochs = rest is [var text] ? int.Parse(text, CultureInfo.InvariantCulture) : 5;

var recipe = new Recipe
{
    Model = new("cct_2_3x2_32") { ImageSize = [32], Weights = weights },
    Data = new("image_folder") { Root = photos, Batch = 16 },
    Augment = [new RandomResizedCrop(32, MinScale: 0.5), new RandomHorizontalFlip()],
    Objective = new SupervisedOptions(Smoothing: 0.1),
    Optimizer = new AdamWOptions(LearningRate: 2e-3),
    Schedule = new CosineOptions(Epochs: epochs),
};

// Ctrl-C ends the training with a checkpoint, from which Experiment.Resume goes on.
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

using (var experiment = Experiment.Begin(recipe, output, Report))
    if (!experiment.Train(stop.Token).Completed)
        return 1;

// The run is loaded and used like any other.
var bundle = ModelBundle.Load(output);
foreach (var folder in Directory.EnumerateDirectories(Path.Combine(photos, "test")).Order(StringComparer.Ordinal))
{
    var file = Directory.EnumerateFiles(folder).First(one => ImageDecoder.Extensions.Contains(Path.GetExtension(one)));
    var likeliest = bundle.Predict(file).Classes[0];
    Console.WriteLine($"a photo of {Path.GetFileName(folder)} looks like {likeliest.Class}");
}
return 0;

static void Report(TrainingEvent happened)
{
    if (happened is Evaluated { Epoch: var epoch, Metrics.Score: var score })
        Console.WriteLine($"epoch {epoch + 1}: {score.Name} {score.Value.ToString("0.000", CultureInfo.InvariantCulture)}");
}
