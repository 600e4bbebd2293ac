using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Tasks.Generation;

namespace Tessera.Training.Tests.Generation;

/// <summary>Generators in recipes: names and fields beside them, and what does not go with them.</summary>
public sealed class GeneratorRecipeTests
{
    private static string Refusal(string model) => Assert.Throws<RecipeException>(() => GeneratorRecipes.Read(model)).Message;

    [Fact]
    public void Fields_of_a_generator_stand_beside_its_name_and_are_written_again()
    {
        var recipe = GeneratorRecipes.Read("{ name: painter, width: 9, noise: 0.5, image_size: 16, channels: 3 }");
        Assert.Equal(new PainterOptions(9, 0.5), recipe.Model.Generator);
        Assert.Equal("painter", recipe.Model.Title);
        Assert.Null(recipe.Model.Variant);
        Assert.Null(recipe.EvaluationTransforms.Given);
        var again = Recipe.Parse(recipe.ToYaml(), "again.yaml");
        Assert.Equal(recipe.Model.Generator, again.Model.Generator);
        Assert.Equal([16], again.Model.ImageSize!);
        Assert.Equal(recipe.ToYaml(), again.ToYaml());
        Assert.Equal(recipe.Model.Generator, new ModelRecipe(new PainterOptions(9, 0.5)).Generator);
        Assert.Equal(new PainterOptions(5), GeneratorRecipes.Read("{ name: painter, width: 5 }").Model.Generator);
        Assert.Equal(new PainterOptions(11), Recipe.Parse(GeneratorRecipes.Text("data"), "r.yaml", "model.width=11").Model.Generator);
    }

    [Theory]
    [InlineData("classes: 3")]
    [InlineData("dropout: 0.1")]
    [InlineData("drop_path: 0.1")]
    [InlineData("attention_dropout: 0.1")]
    [InlineData("new_head: true")]
    [InlineData("backbone: { name: vit_2_4_32 }")]
    public void Fields_of_models_that_look_at_images_are_refused(string field)
    {
        var name = field.Split(':')[0];
        Assert.Contains(
            $"{name} must be left out: the generator painter has no such field",
            Refusal($"{{ name: painter, {field} }}"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Unknown_fields_and_ranges_are_those_of_the_generator()
    {
        Assert.Contains("did you mean 'width'?", Refusal("{ name: painter, widht: 4 }"), StringComparison.Ordinal);
        Assert.Contains("must be 1 to 1000, not 0", Refusal("{ name: painter, width: 0 }"), StringComparison.Ordinal);
        Assert.Contains(
            "backbone.name must be a model of the registry, and painter is a generator",
            Refusal("{ name: upernet, backbone: { name: painter } }"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Names_are_taken_once_by_generators_heads_and_models()
    {
        _ = GeneratorRecipes.Read();
        Assert.Contains(
            "is there already",
            Assert.Throws<ArgumentException>(() => Generators.Add(new("painter", typeof(PainterOptions)))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "generator 'upernet': a head has this name",
            Assert.Throws<ArgumentException>(() => Generators.Add(new("upernet", typeof(PainterOptions)))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "head 'painter': a generator has this name",
            Assert.Throws<ArgumentException>(() => Heads.Add(new("painter", typeof(UPerNetOptions)))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "a model of the registry has this name",
            Assert.Throws<ArgumentException>(() => Generators.Add(new("vit_2_4_32", typeof(PainterOptions)))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "must be a record that derives from GeneratorOptions",
            Assert.Throws<ArgumentException>(() => Generators.Add(new("other", typeof(UPerNetOptions)))).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Tasks_and_models_that_do_not_go_together_are_refused_in_a_sentence()
    {
        _ = GeneratorRecipes.Read();
        var spec = new ModelSpec("painter", new() { ImageSize = (8, 8) }, Generator: new PainterOptions());
        foreach (var task in TaskKind.All.Where(task => !task.MakesImages))
            Assert.StartsWith(
                $"model.name: painter makes images, and task {task.Name} needs a model that looks at them",
                Assert.Throws<RunException>(() => task.Build(spec)).Message,
                StringComparison.Ordinal
            );
        Assert.StartsWith(
            "model.name: vit_2_4_32 looks at images, and task generation needs a model that makes some; there are ",
            Assert.Throws<RunException>(() => new GenerationTask().Build(new("vit_2_4_32", new()))).Message,
            StringComparison.Ordinal
        );
        Assert.Equal(
            "model: painter makes square images, not 8x9",
            Assert.Throws<RunException>(() => new GenerationTask().Build(spec with { Options = new() { ImageSize = (8, 9) } })).Message
        );
    }

    [Fact]
    public void Images_of_a_generation_are_neither_labelled_nor_normalised()
    {
        using var folder = new Testing.TempFolder();
        SmallMnist.Write(folder.Path);
        var task = new GenerationTask();
        var data = task.Prepare(new DataRecipe("fashion_mnist", Root: folder.Path).OpenTraining());
        Assert.IsType<Unlabelled>(data.Annotations);
        var facts = (GenerationFacts)task.FactsOf(data);
        Assert.Empty(facts.Classes);
        Assert.Equal((1, 28, 28), (facts.Channels, facts.Height, facts.Width));
        using var scope = new Scope();
        var pixels = new Loader(
            data,
            Pipeline.OfViews(
                [
                    [],
                ],
                null,
                true
            ),
            new(8) { Workers = 0 }
        ).Epoch(0).First().Inputs;
        Assert.InRange(pixels.Min().ToDouble(), 0, 0.1);
        Assert.InRange(pixels.Max().ToDouble(), 0.9, 1);
        Assert.StartsWith(
            "data.mean and data.std must be left out",
            Assert.Throws<RunException>(() => facts.With(new([0.5f], [0.5f]))).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Files_of_embeddings_are_named_in_full()
    {
        Assert.Equal($"classifier:{Path.GetFullPath("runs/x")}", new GenerationTask("classifier:runs/x").Embedding);
        Assert.Equal($"inception-fid:{Path.GetFullPath("w.pth")}", new GenerationTask("inception-fid:w.pth").Embedding);
        Assert.Equal("random-conv:4", new GenerationTask("random-conv:4").Embedding);
    }
}
