using Microsoft.Extensions.AI;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Models;
using Tessera.Training.Bundles;

namespace Tessera.Hosting.Tests;

[Collection(TrainedRunGroup.Name)]
public sealed class EmbeddingTests : IDisposable
{
    private readonly TrainedRun run;
    private readonly Predictor predictor;
    private readonly ImageEmbeddingGenerator generator;

    public EmbeddingTests(TrainedRun run)
    {
        this.run = run;
        predictor = new(new() { Run = run.Path });
        generator = new(predictor);
    }

    public void Dispose() => predictor.Dispose();

    private static DataContent Content(string file, string type = "image/x-portable-pixmap") => new(File.ReadAllBytes(file), type);

    [Fact]
    public async Task Every_image_gets_the_features_that_its_classifier_sees()
    {
        IEmbeddingGenerator<Image, Embedding<float>> images = generator;
        IEmbeddingGenerator<DataContent, Embedding<float>> contents = generator;
        string[] files = [.. run.TestPhotos.Select(photo => photo.File)];
        var embeddings = await images.GenerateAsync(files.Select(file => Image.Open(file)));
        Assert.Equal(files.Length, embeddings.Count);
        foreach (var (file, embedding) in files.Zip(embeddings))
        {
            Assert.Equal(predictor.Embed(file).ToArray(), embedding.Vector.ToArray());
            Assert.Equal(("cct_2_3x2_32", 128), (embedding.ModelId, embedding.Dimensions));
            Assert.NotNull(embedding.CreatedAt);
        }
        var same = await contents.GenerateAsync(files.Select(file => Content(file)));
        Assert.Equal(embeddings.Select(one => one.Vector.ToArray()), same.Select(one => one.Vector.ToArray()));
        Assert.Empty(await images.GenerateAsync([]));
        // By the extension methods of the contract, too.
        Assert.Equal(embeddings[0].Vector.ToArray(), (await contents.GenerateVectorAsync(Content(files[0]))).ToArray());
    }

    [Theory]
    [InlineData(null)]
    [InlineData(false)]
    public void A_model_whose_classifier_sees_two_tokens_gives_their_mean(bool? compiled)
    {
        using var scope = new Scope();
        const string Name = "deit_tiny_distilled_patch16_224";
        var model = Registry.Create(Name, new() { Classes = 3, ImageSize = (32, 32) });
        var bundle = ModelBundle.FromModel(model, Name, ["brick", "grass", "sky"]);
        using var two = Predictor.FromBundle(bundle, new() { Compiled = compiled });
        var (file, _) = run.TestPhotos[0];
        var found = two.Embed(file).ToArray();
        Assert.Equal(two.EmbeddingSize, found.Length);
        using var quiet = Torch.NoGrad();
        var tokens = model.ForwardFeatures(bundle.Read([file]).Single().Read().Inputs);
        Testing.Near.Equal((tokens.Select(1, 0) + tokens.Select(1, 1)) / 2, Tensor.From(found, 1, found.Length), 1e-5);
        using var image = Image.Open(file);
        Testing.Near.Equal(bundle.Embed(image), Tensor.From(found, 1, found.Length), 1e-5);
    }

    [Fact]
    public void The_features_before_the_classifier_give_the_logits()
    {
        using var scope = new Scope();
        using var quiet = Torch.NoGrad();
        var (file, _) = run.TestPhotos[5];
        var model = predictor.Bundle.Backbone;
        var features = predictor.Embed(file).ToArray();
        var logits = model.ForwardClassifier(Tensor.From(features, 1, features.Length));
        var expected = model.Call(predictor.Bundle.Read([file]).Single().Read().Inputs);
        Testing.Near.Equal(expected, logits, 1e-5);
    }

    [Fact]
    public async Task Neighbors_are_of_the_same_class()
    {
        var photos = run.TestPhotos;
        var embeddings = await generator.GenerateAsync(photos.Select(photo => Image.Open(photo.File)));
        var right = Enumerable
            .Range(0, photos.Count)
            .Count(i =>
                photos[i].Class
                == photos[
                    Enumerable
                        .Range(0, photos.Count)
                        .Where(j => j != i)
                        .MaxBy(j => Cosine(embeddings[i].Vector.Span, embeddings[j].Vector.Span))
                ].Class
            );
        Assert.InRange(right, photos.Count - 1, photos.Count);

        static double Cosine(ReadOnlySpan<float> one, ReadOnlySpan<float> other)
        {
            var (product, first, second) = (0.0, 0.0, 0.0);
            for (var i = 0; i < one.Length; i++)
                (product, first, second) = (product + one[i] * other[i], first + one[i] * one[i], second + other[i] * other[i]);
            return product / Math.Sqrt(first * second);
        }
    }

    [Fact]
    public void It_names_its_model_and_gives_what_it_is_made_of()
    {
        IEmbeddingGenerator<DataContent, Embedding<float>> contents = generator;
        var metadata = contents.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(("tessera", "cct_2_3x2_32", 128), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(predictor, contents.GetService<Predictor>());
        Assert.Same(generator, contents.GetService<IEmbeddingGenerator<Image, Embedding<float>>>());
        Assert.Same(generator, contents.GetService<ImageEmbeddingGenerator>());
        Assert.Null(contents.GetService(typeof(Predictor), "key"));
        Assert.Null(contents.GetService<string>());
        Assert.Throws<ArgumentNullException>(() => generator.GetService(null!));
    }

    [Fact]
    public async Task What_it_cannot_give_is_refused()
    {
        var (file, _) = run.TestPhotos[0];
        var image = new[] { Image.Open(file) };
        await generator.GenerateAsync(image, new() { ModelId = "cct_2_3x2_32", Dimensions = 128 });
        Assert.Equal(
            "the model is cct_2_3x2_32: ModelId cannot be clip",
            (await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(image, new() { ModelId = "clip" }))).Message
        );
        Assert.Equal(
            "embeddings of cct_2_3x2_32 have 128 dimensions: Dimensions cannot be 64",
            (await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(image, new() { Dimensions = 64 }))).Message
        );
        Assert.Equal(
            "the media type must be image/*, not text/plain",
            (await Assert.ThrowsAsync<DataException>(() => generator.GenerateAsync([Content(file, "text/plain")]))).Message
        );
        await Assert.ThrowsAsync<UnreadableImageException>(() =>
            generator.GenerateAsync([Content(file), new DataContent("no image"u8.ToArray(), "image/png")])
        );
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(image, null, new(canceled: true)));
        await Assert.ThrowsAsync<ArgumentNullException>(() => generator.GenerateAsync((IEnumerable<Image>)null!));
    }

    [Fact]
    public void Its_end_leaves_the_predictor_to_others()
    {
        generator.Dispose();
        Assert.Equal(3, predictor.Predict(run.TestPhotos[0].File).Classes.Count);
    }
}
