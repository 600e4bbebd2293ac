using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Trainings whose batches are made on the device, here the processor, are those of the loader's workers.</summary>
[Collection("engine")]
public sealed class OnDeviceTests : IDisposable
{
    private readonly TempFolder folder = new();

    public OnDeviceTests()
    {
        SmallMnist.Write(Path.Combine(folder.Path, "data"));
        File.WriteAllText(
            RecipePath,
            $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, batch: 16, root: {{Path.Combine(folder.Path, "data")}} }
            augment: [ random_crop: { pad: 3 }, random_horizontal_flip, random_erasing: 0.5, mixup: 0.8, cutmix ]
            objective: { name: supervised, smoothing: 0.1 }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 2, warmup: 0.5 }
            train: { threads: 1, log_every: 2 }
            """
        );
    }

    public void Dispose() => folder.Dispose();

    private string RecipePath => Path.Combine(folder.Path, "recipe.yaml");

    private string Folder(string name) => Path.Combine(folder.Path, name);

    private RunFolder Train(string name, params string[] settings)
    {
        using (var experiment = Experiment.Begin(RecipePath, settings, Folder(name)))
            Assert.True(experiment.Train().Completed);
        return new(Folder(name));
    }

    private static byte[] Weights(string run) => File.ReadAllBytes(new RunFolder(run).Checkpoints.Newest()!.FileOf("model"));

    [Fact]
    public void Log_and_weights_are_those_of_the_loader()
    {
        var (loader, device) = (Train("loader"), Train("device", "data.on_device=true"));
        Assert.Equal(OnDevice.True, Recipe.Load(device.RecipePath).Data.OnDevice);
        Assert.NotEmpty(Lines(loader));
        Assert.Equal(Lines(loader), Lines(device));
        Assert.Equal(Weights(loader.Path), Weights(device.Path));

        static double[] Lines(RunFolder run) =>
            [.. RunLog.Read(run.LogPath).SelectMany(line => (double[])[(double)line["loss"]!, (double)line["step"]!])];
    }

    [Fact]
    public void An_interrupted_run_goes_on_to_the_same_weights()
    {
        var whole = Train("whole", "data.on_device=true");
        using (var stop = new CancellationTokenSource())
        using (var first = Experiment.Begin(RecipePath, ["data.on_device=true"], Folder("parts"), e =>
            {
                if (e is StepDone { Step: 4 })
                    stop.Cancel();
            }))
            Assert.False(first.Train(stop.Token).Completed);
        using (var rest = Experiment.Resume(Folder("parts")))
            Assert.True(rest.Train().Completed);
        Assert.Equal(Weights(whole.Path), Weights(Folder("parts")));
    }

    [Fact]
    public void A_recipe_that_cannot_is_refused_when_it_is_read()
    {
        var message = Assert
            .Throws<RecipeException>(() => Recipe.Load(RecipePath, "data.on_device=true", "augment=[random_horizontal_flip, rand_augment]"))
            .Message;
        Assert.StartsWith(
            "--set data.on_device=true: data.on_device: it cannot be true with this augment: "
                + "rand_augment works on the processor only; on a device there are",
            message,
            StringComparison.Ordinal
        );
        Assert.EndsWith(
            "on_device: must be one of auto, true, false, not 'maybe'",
            Assert.Throws<RecipeException>(() => Recipe.Load(RecipePath, "data.on_device=maybe")).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("auto", "cpu", false)]
    [InlineData("auto", "cuda:1", true)]
    [InlineData("true", "cpu", true)]
    [InlineData("false", "cuda", false)]
    public void Auto_means_a_gpu(string setting, string device, bool expected)
    {
        var recipe = Recipe.Load(RecipePath, $"data.on_device={setting}");
        var (data, place) = ((LoadableDataset)recipe.Data.OpenTraining(), Device.Parse(device));
        Assert.Equal(expected ? place : null, recipe.Data.BatchDevice(place, data, recipe.TrainingPipeline()));
        Assert.Equal(expected ? place : null, recipe.Data.BatchDevice(place, data, Pipeline.Plain, measuring: true));
    }

    [Fact]
    public void What_cannot_lie_on_the_device_is_left_to_the_loader_or_refused()
    {
        var (asked, auto) = (Recipe.Load(RecipePath, "data.on_device=true").Data, Recipe.Load(RecipePath).Data);
        var files = new FileImages("photos", "train", ["a"], ["a.png"], [0]);
        Assert.Equal(
            "data.on_device cannot be true with photos: its images are decoded from files, "
                + "and only images in memory can lie on a device",
            Assert.Throws<RunException>(() => asked.BatchDevice(Device.Cpu, files, Pipeline.Plain)).Message
        );
        Assert.Null(auto.BatchDevice(Device.Cuda, files, Pipeline.Plain));
        Assert.Null(auto.BatchDevice(Device.Cuda, (LoadableDataset)auto.OpenTraining(), new([new RandAugment()])));
        // A model is measured by what its recipe says, on the processor if need be.
        Assert.Null(asked.BatchDevice(Device.Cpu, (LoadableDataset)asked.OpenTraining(), new([new EvaluationCrop(32)]), measuring: true));
    }
}
