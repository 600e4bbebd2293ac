using Tessera.Data;
using Tessera.Testing;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Pretraining;

namespace Tessera.Training.Tests;

/// <summary>Which pictures without labels are learned from, and on which a training measures.</summary>
public sealed class PicturesTests : IDisposable
{
    private static readonly byte[] image = "P5 1 1 255\n7"u8.ToArray();
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private DataRecipe Recipe(int count, string below = "", string split = "train", ulong seed = 0)
    {
        for (var i = 0; i < count; i++)
            folder.Write($"{below}{i:00}.pgm", image);
        return new("pictures", Root: folder.Path, Split: split, SubsetSeed: seed);
    }

    private static string[] Names(Dataset data) => [.. Enumerable.Range(0, data.Count).Select(data.SampleName)];

    [Fact]
    public void A_tenth_of_an_undivided_folder_is_held_out_and_measured()
    {
        var recipe = Recipe(20);
        var (learned, measured) = (recipe.OpenTraining(), recipe.Open(recipe.MeasuredSplit()));
        Assert.Equal((18, 2), (learned.Count, measured.Count));
        Assert.Equal(("minitrain", "minival"), (learned.Split, measured.Split));
        Assert.Equal(20, Names(learned).Union(Names(measured)).Count());
        Assert.True(recipe.IsDrawn);
        Assert.Equal(Names(learned), Names(recipe.OpenTraining()));
        Assert.NotEqual(Names(measured), Names((recipe with { SubsetSeed = 1 }).Open("minival")));
        Assert.Equal(5, (recipe with { Minival = 0.25 }).Open("minival").Count);
    }

    [Fact]
    public void A_folder_to_learn_from_alone_is_divided_too()
    {
        var recipe = Recipe(10, "train/");
        Assert.Equal((9, "minival"), (recipe.OpenTraining().Count, recipe.MeasuredSplit()));
    }

    [Fact]
    public void Nothing_is_held_out_where_there_is_something_to_measure_on()
    {
        var recipe = Recipe(10, "train/");
        folder.Write("val/1.pgm", image);
        Assert.Equal((10, "val"), (recipe.OpenTraining().Count, recipe.MeasuredSplit()));
        Assert.False(recipe.IsDrawn);
    }

    [Fact]
    public void All_pictures_are_learned_from_by_name_and_what_is_measured_must_be_said_then()
    {
        var recipe = Recipe(10, split: "all");
        Assert.Equal(10, recipe.OpenTraining().Count);
        Assert.Contains("evaluation.split=all", Assert.Throws<DataException>(recipe.MeasuredSplit).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_picture_cannot_be_divided() =>
        Assert.Contains("nothing is left", Assert.Throws<DataException>(() => Recipe(1).OpenTraining()).Message, StringComparison.Ordinal);

    [Fact]
    public void Images_with_labels_are_pictures_for_a_recipe_that_says_so()
    {
        foreach (var file in (string[])["train/a/1.pgm", "train/b/2.pgm", "val/c/3.pgm"])
            folder.Write(file, image);
        var recipe = new DataRecipe("image_folder", Root: folder.Path);
        var task = new PretrainingTask();
        var training = task.Prepare(recipe.OpenTraining());
        Assert.IsType<Unlabelled>(training.Annotations);
        var facts = task.FactsOf(training);
        Assert.Empty(facts.Classes);
        // Of a class that is not in training, which nobody asks for.
        Assert.IsType<Unlabelled>(task.Prepare(recipe.Open("val"), facts).Annotations);
    }

    [Fact]
    public void Pretraining_is_the_task_of_pictures_and_methods_without_labels_are_named()
    {
        Assert.IsType<PretrainingTask>(TaskKind.DefaultFor(Recipe(3).Open("all")));
        var names = ObjectiveOptions.WithoutLabels.ToArray();
        Assert.Contains("masked_autoencoder", names);
        Assert.DoesNotContain("supervised", names);
        Assert.DoesNotContain("linear_probe", names);
    }
}
