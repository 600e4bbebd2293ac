// A model and a training method of one's own: they are registered by names, a recipe chooses them, and the run is loaded like any other:
//   dotnet run --project samples/own_model -- PHOTOS OUT [EPOCHS]
using System.Globalization;
using OwnModel;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;

if (args is not [var photos, var output, .. var rest])
{
    Console.Error.WriteLine("usage: own_model PHOTOS OUT [EPOCHS]");
    return 2;
}
var epochs = rest is [var text] ? int.Parse(text, CultureInfo.InvariantCulture) : 10;

var create = Variant.Configured(new ConvNet.Config((32, 32)), config => new ConvNet(config));
Registry.Add(new Variant("conv_net_32", "a network of my own", create, ImageSize: 32));
RecipeParts.Register<FocalOptions>();

var recipe = new Recipe
{
    Model = new("conv_net_32") { ImageSize = [32] },
    Data = new("image_folder") { Root = photos, Batch = 16 },
    Augment = [new Squash(32), new RandomHorizontalFlip()],
    Objective = new FocalOptions(Gamma: 2),
    Optimizer = new AdamWOptions(LearningRate: 5e-3),
    Schedule = new CosineOptions(Epochs: epochs),
};
using (var experiment = Experiment.Begin(recipe, output))
{
    var result = experiment.Train();
    var score = result.Last!.Score;
    Console.WriteLine($"{score.Name} {score.Value.ToString("0.000", CultureInfo.InvariantCulture)}");
}

var bundle = ModelBundle.Load(output);
Console.WriteLine($"{bundle.Content.Model.Title} tells {string.Join(", ", bundle.Classes)} apart");
return 0;
