using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting.Tests;

[Collection(TrainedRunGroup.Name)]
public sealed class PredictorTests(TrainedRun run) : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private Predictor Create(Action<PredictorOptions>? configure = null)
    {
        var options = new PredictorOptions { Run = run.Path };
        configure?.Invoke(options);
        return new(options);
    }

    private static void Equal(Prediction expected, Prediction found)
    {
        Assert.Equal(expected.Sample, found.Sample);
        Assert.Equal(expected.Classes, found.Classes);
    }

    [Fact]
    public void It_tells_photos_apart()
    {
        using var predictor = Create();
        Assert.True(predictor.IsCompiled);
        var right = run.TestPhotos.Count(photo => predictor.Predict(photo.File).Classes[0].Class == photo.Class);
        Assert.InRange(right, run.TestPhotos.Count - 1, run.TestPhotos.Count);
    }

    [Theory]
    [InlineData(true, 1, 1)]
    [InlineData(true, 4, 1)]
    [InlineData(true, 2, 2)]
    [InlineData(false, 4, null)]
    public void Every_caller_gets_the_answer_of_its_own_image_bit_for_bit(bool compiled, int concurrency, int? threads)
    {
        using var predictor = Create(options =>
        {
            (options.Compiled, options.Concurrency, options.Threads) = (compiled, concurrency, threads);
        });
        Assert.Equal((compiled, concurrency), (predictor.IsCompiled, predictor.Concurrency));
        var photos = run.TestPhotos;
        var expected = photos.Select(photo => predictor.Predict(photo.File)).ToArray();
        var features = photos.Select(photo => predictor.Embed(photo.File).ToArray()).ToArray();
        Assert.NotEqual(expected[0].Classes[0].Probability, expected[1].Classes[0].Probability);
        Together.Run(8, 10, (thread, round) =>
        {
            var number = (thread * 5 + round) % photos.Count;
            if ((thread + round) % 3 == 0)
                Assert.Equal(features[number], predictor.Embed(photos[number].File).ToArray());
            else
                Equal(expected[number], predictor.Predict(photos[number].File));
        });
    }

    [Fact]
    public void Compiled_or_not_it_answers_as_the_bundle_does()
    {
        using var compiled = Create();
        using var plain = Create(options => options.Compiled = false);
        var bundle = ModelBundle.Load(run.Path);
        foreach (var (file, _) in run.TestPhotos)
        {
            var expected = bundle.Predict(bundle.Read([file]).Single());
            Equal(expected, plain.Predict(file));
            var found = compiled.Predict(file);
            Assert.Equal(expected.Classes.Select(one => one.Class), found.Classes.Select(one => one.Class));
            foreach (var (one, other) in expected.Classes.Zip(found.Classes))
                Assert.Equal(one.Probability, other.Probability, 1e-5);
            using var scope = new Scope();
            using var image = Image.Open(file);
            var features = bundle.Embed(image).Squeeze(0);
            Near.Equal(features, Tensor.From(plain.Embed(file).ToArray()), 1e-6);
            Near.Equal(features, Tensor.From(compiled.Embed(file).ToArray()), 1e-5);
        }
    }

    [Fact]
    public async Task An_image_the_bytes_of_a_file_and_a_stream_of_them_are_the_file()
    {
        using var predictor = Create();
        var (file, _) = run.TestPhotos[3];
        var expected = predictor.Predict(file).Classes;
        var bytes = await File.ReadAllBytesAsync(file);
        Assert.Equal(expected, predictor.Predict(bytes).Classes);
        using var image = Image.Open(file);
        Assert.Equal(expected, predictor.Predict(image).Classes);
        Assert.Equal(file, predictor.Predict(image).Sample);
        Assert.Equal(expected, (await predictor.PredictAsync(new ReadOnlyMemory<byte>([0, .. bytes], 1, bytes.Length))).Classes);
        using var stream = File.OpenRead(file);
        var read = await ImageInput.ReadAsync(stream, bytes.Length);
        var answer = await predictor.PredictAsync(read);
        Assert.Equal(expected, answer.Classes);
        Assert.Equal("image", answer.Sample);
        stream.Position = 0;
        var error = await Assert.ThrowsAsync<DataException>(() => ImageInput.ReadAsync(stream, bytes.Length - 1));
        Assert.Equal($"image: the file must have at most {bytes.Length - 1} bytes", error.Message);
    }

    [Fact]
    public void A_camera_that_was_turned_is_followed_in_bytes_as_in_files()
    {
        var bytes = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"));
        var turned = TurnedJpeg.Of(bytes);
        var file = folder.Write("turned.jpg", turned);
        using var predictor = Create();
        Assert.Equal(predictor.Embed(file).ToArray(), predictor.Embed(turned).ToArray());
        Assert.NotEqual(predictor.Embed(bytes).ToArray(), predictor.Embed(turned).ToArray());
    }

    [Fact]
    public async Task Images_that_cannot_be_read_are_refused_and_harm_no_other()
    {
        using var predictor = Create();
        var error = await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.PredictAsync("nothing"u8.ToArray()));
        Assert.StartsWith("image: not a JPEG", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.PredictAsync(ImageInput.FromBytes(default)));
        await Assert.ThrowsAsync<UnreadableImageException>(() => predictor.PredictAsync(folder["missing.png"]));
        Assert.Equal(3, predictor.Predict(run.TestPhotos[0].File).Classes.Count);
    }

    [Fact]
    public async Task Cancelled_calls_end_and_those_beside_them_go_on()
    {
        using var predictor = Create(options => options.Concurrency = 1);
        var (file, _) = run.TestPhotos[0];
        using var source = new CancellationTokenSource();
        var calls = Enumerable.Range(0, 60).Select(i => predictor.PredictAsync(file, i % 2 == 0 ? source.Token : default)).ToArray();
        await source.CancelAsync();
        var expected = predictor.Predict(file);
        foreach (var (i, call) in calls.Index())
            if (i % 2 == 1)
                Equal(expected, await call);
            else
                await call.ContinueWith(done => Assert.True(done.IsCanceled || done.IsCompletedSuccessfully), TaskScheduler.Default);
        Assert.Contains(calls, call => call.IsCanceled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => predictor.EmbedAsync(file, source.Token));
    }

    [Fact]
    public async Task One_call_more_than_may_wait_is_refused()
    {
        using var predictor = Create(options => (options.Concurrency, options.QueueLimit) = (1, 1));
        var (file, _) = run.TestPhotos[0];
        var calls = Enumerable.Range(0, 40).Select(_ => predictor.PredictAsync(file)).ToArray();
        try
        {
            await Task.WhenAll(calls);
        }
        catch (PredictorBusyException error)
        {
            Assert.Equal("cct_2_3x2_32: 1 calls are waiting already, as many as QueueLimit allows: try again later", error.Message);
        }
        Assert.Contains(calls, call => call.Exception?.InnerException is PredictorBusyException);
        Assert.Contains(calls, call => call.IsCompletedSuccessfully);
        Assert.All(calls, call => Assert.True(call.IsCompletedSuccessfully || call.Exception?.InnerException is PredictorBusyException));
    }

    [Fact]
    public async Task After_its_end_every_call_is_refused()
    {
        var predictor = Create();
        var (file, _) = run.TestPhotos[0];
        predictor.Predict(file);
        predictor.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => predictor.PredictAsync(file));
        predictor.Dispose();
    }

    [Fact]
    public void Thousands_of_calls_leave_no_tensor()
    {
        var (file, _) = run.TestPhotos[0];
        using var predictor = Create();
        predictor.Predict(file);
        predictor.Embed(file);
        var before = LiveTensors.Settled();
        Together.Run(4, 250, (_, _) => predictor.Predict(file));
        Together.Run(4, 50, (_, _) => predictor.Embed(file));
        Assert.Equal(before, LiveTensors.Settled());
    }

    [Fact]
    public void Published_weights_are_used_by_the_name_of_their_model()
    {
        using (new Scope())
            Registry.Create("vit_micro_patch4_32", new() { Classes = 10 }).Save(folder["micro.safetensors"]);
        using var predictor = new Predictor(
            new()
            {
                Model = "vit_micro_patch4_32",
                Weights = folder["micro.safetensors"],
                Classes = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" },
                Top = 10,
                Precision = Precision.Bf16,
            }
        );
        Assert.Equal("vit_micro_patch4_32", predictor.Name);
        Assert.Equal(
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"],
            predictor.Predict(run.TestPhotos[0].File).Classes.Select(one => one.Class).Order(StringComparer.Ordinal)
        );
        Assert.Equal(predictor.EmbeddingSize, predictor.Embed(run.TestPhotos[0].File).Length);
    }

    [Fact]
    public void A_bundle_that_is_there_already_is_taken_as_it_is()
    {
        var bundle = ModelBundle.Load(run.Path);
        using var predictor = Predictor.FromBundle(bundle, new() { Top = 1 }, name: "mine");
        Assert.Same(bundle, predictor.Bundle);
        Assert.Equal("mine", predictor.Name);
        Assert.Single(predictor.Predict(run.TestPhotos[0].File).Classes);
        Assert.Equal(
            "Run, Weights, Model, Classes, Best, Ema and Device must be left alone: the model is there already",
            Assert.Throws<RunException>(() => Predictor.FromBundle(bundle, new() { Run = run.Path })).Message
        );
        bundle.Model.Train();
        Assert.EndsWith(
            "is in training mode: call Eval() first",
            Assert.Throws<RunException>(() => Predictor.FromBundle(bundle)).Message,
            StringComparison.Ordinal
        );
    }

    public static TheoryData<Action<PredictorOptions>, string> Mistakes =>
        new()
        {
            { options => options.Run = null, "Run (the folder of a run or bundle) or Weights (a file of weights) must be given" },
            { options => options.Weights = "w.safetensors", "only one of Run and Weights can be given" },
            { options => options.Run = "/nowhere", "/nowhere: there is no such folder of a run or bundle" },
            { options => options.Model = "cct_2_3x2_32", "Model and Classes are for Weights: a run has its own" },
            { options => options.Classes.Add("one"), "Model and Classes are for Weights: a run has its own" },
            {
                options => (options.Run, options.Weights) = (null, "w"),
                "Model must be given with Weights: the name of the model that they are for"
            },
            {
                options => (options.Run, options.Weights, options.Model) = (null, "w", "cct_2_3x2"),
                "unknown model 'cct_2_3x2'; the nearest names are"
            },
            {
                options => (options.Run, options.Weights, options.Model) = (null, "/w", "cct_2_3x2_32"),
                "/w: there is no such file of weights"
            },
            {
                options => (options.Run, options.Weights, options.Model, options.Best) = (null, "/w", "cct_2_3x2_32", true),
                "Best is for Run: a file has one set of weights"
            },
            { options => options.Device = "gpu", "'gpu' is not a device: it must be cpu, cuda or cuda:N" },
            {
                options => (options.Device, options.Compiled) = ("cuda", true),
                "Compiled is for the CPU: it cannot be true with Device cuda"
            },
            { options => options.Precision = Precision.Fp16, "Precision Fp16 needs Device cuda: on the CPU it must be Fp32 or Bf16" },
            { options => options.Threads = 0, "Threads must be at least 1, not 0" },
            { options => options.Concurrency = 0, "Concurrency must be at least 1, not 0" },
            { options => options.QueueLimit = -1, "QueueLimit must be at least 1, not -1" },
            { options => options.Top = 0, "Top must be at least 1, not 0" },
            {
                options => (options.Threads, options.Compiled) = (2, false),
                "Threads is for compiled models: Torch.Threads sets the threads of others"
            },
        };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Options_that_cannot_be_meant_are_refused_before_anything_is_loaded(Action<PredictorOptions> configure, string problem)
    {
        var error = Assert.Throws<RunException>(() => Create(configure));
        Assert.StartsWith(problem, error.Message, StringComparison.Ordinal);
    }
}
