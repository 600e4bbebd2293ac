using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Several views of every image, from the recipe to the method.</summary>
[Collection("engine")]
public sealed class ViewTests
{
    private const string Yaml = """
        model: vit_micro_patch4_32
        data: { name: cifar10, batch: 6 }
        optimizer: adamw
        schedule: { name: constant, epochs: 1 }
        objective: supervised
        augment: { views: [ [ random_shift: 2 ], [ random_shift: 2, random_erasing: 1 ] ] }
        """;

    // The methods that a recipe can name take one view: what they need is not looked at here.
    private static Recipe Recipe => RecipeBinder.Bind<Recipe>(RecipeReader.Read(Yaml, "r.yaml"));

    private static Loader Load(Pipeline pipeline)
    {
        var random = new Random(8);
        var pixels = new byte[12 * TinyModel.Side * TinyModel.Side];
        random.NextBytes(pixels);
        int[] labels = [.. Enumerable.Range(0, 12).Select(i => i % TinyModel.Labels)];
        var images = new MemoryImages("made up", "train", ["a", "b", "c"], labels, pixels, 1, TinyModel.Side, TinyModel.Side);
        return new(
            images,
            pipeline,
            new(6)
            {
                Seed = 5,
                Shuffle = true,
                Workers = 0,
            }
        );
    }

    /// <summary>Brings the features of two views of an image together.</summary>
    private sealed class Pairs(TinyModel model) : BackboneObjective(model)
    {
        internal List<double[]> Differences { get; } = [];

        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            var (first, second) = (batch.Views[0].Inputs, batch.Views[1].Inputs);
            Assert.Equal((2, first.Shape), (batch.Views.Count, second.Shape));
            Differences.Add((first - second).Abs().Amax([1, 2, 3]).ToArray<double>());
            return new((Student.Call(first) - Student.Call(second)).Square().Mean());
        }
    }

    [Fact]
    public void A_method_gets_all_views_of_a_recipe()
    {
        using var scope = new Scope();
        Assert.Equal([1, 2], Recipe.Augment.Views.Select(view => view.Count));
        Pairs? pairs = null;
        var (trainer, _, _) = Tiny.Training(
            null,
            new(Seed: 5, MicroBatch: 4),
            epochs: 1,
            objective: model => pairs = new Pairs(model),
            data: Load(Recipe.TrainingPipeline()),
            test: false
        );
        using (trainer)
            trainer.Train();
        // Parts of a batch have both views of the same samples.
        Assert.Equal([3, 3, 3, 3], pairs!.Differences.Select(part => part.Length));
        Assert.All(pairs.Differences, part => Assert.All(part, difference => Assert.True(difference > 0)));
    }

    [Fact]
    public void The_first_view_is_that_of_a_recipe_without_the_others()
    {
        using var both = Load(Recipe.TrainingPipeline()).Epoch(1).First();
        using var first = Load(new(Recipe.Augment.First)).Epoch(1).First();
        Assert.Equal(first.Indices, both.Indices);
        Near.Identical(first.Inputs, both.Inputs);
    }

    [Fact]
    public void Views_are_written_as_they_are_read()
    {
        var written = Recipe.ToYaml();
        Assert.Equal(written, RecipeBinder.Bind<Recipe>(RecipeReader.Read(written, "again.yaml")).ToYaml());
        var again = RecipeBinder.Bind<Recipe>(RecipeReader.Read(written, "again.yaml")).Augment;
        Assert.Equal(Recipe.Augment.Views.Select(view => view.ToArray()), again.Views.Select(view => view.ToArray()));
    }

    [Fact]
    public void A_method_of_one_view_refuses_two() =>
        Assert.Equal(
            "r.yaml:5: objective: augment must have one view, not 2",
            Assert.Throws<RecipeException>(() => Experiments.Recipe.Parse(Yaml, "r.yaml")).Message
        );

    [Theory]
    [InlineData("{ views: random_shift }")]
    [InlineData("{ views: [] }")]
    public void Views_are_lists(string augment) =>
        Assert.Contains(
            "augment.views: must be a list of lists of transforms",
            Assert.Throws<RecipeException>(() => Experiments.Recipe.Parse(Yaml, "r.yaml", $"augment={augment}")).Message,
            StringComparison.Ordinal
        );
}
