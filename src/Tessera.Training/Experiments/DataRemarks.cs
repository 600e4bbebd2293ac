using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>What a user should know of the data of a training before its first step, a line each.</summary>
/// <param name="recipe">The training.</param>
/// <param name="train">What is learned from.</param>
/// <param name="test">What is measured on, with the classes of the model.</param>
internal sealed class DataRemarks(Recipe recipe, LoadableDataset train, Dataset test)
{
    /// <summary>All remarks; none where there is nothing out of the ordinary.</summary>
    internal IEnumerable<string> All =>
        [
            .. Own(train),
            .. test.Split == train.Split || AreOfOneSet ? [] : Own(test),
            .. MeasuredOnTraining(),
            .. ChosenSplit(),
            .. Absent(),
            .. DividedClasses(),
            .. OfTask(),
            .. Grouped(),
        ];

    private IEnumerable<string> Grouped() =>
        recipe.Data.InstancesOr(recipe.Objective.Instances) is > 1 and var instances
            ?
            [
                $"a batch has {instances} {(recipe.Task ?? TaskKind.DefaultFor(train)).SampleNoun} of each of {recipe.Data.Batch / instances} "
                    + $"classes (data.instances{(recipe.Data.Instances is null ? ", by default with this objective" : "")}); where a class has "
                    + "fewer left, some come again",
            ]
            : [];

    // Parts of one set have its remarks, both of them.
    private bool AreOfOneSet => test.Name == train.Name && test.Split == DataRecipe.HeldOut && train.Split == DataRecipe.RestOfTraining;

    private IEnumerable<string> OfTask()
    {
        var task = recipe.Task ?? TaskKind.DefaultFor(train);
        return [.. task.Remarks(train, recipe.EvaluationTransforms), .. task.RemarksOnTest(train, test)];
    }

    private IEnumerable<string> DividedClasses() =>
        recipe.Data.TrainClasses is { } count
            ?
            [
                $"learned from {count} classes, drawn by data.subset_seed={recipe.Data.SubsetSeed}; measured on "
                    + $"{test.Count} samples of {test.ClassNames.Count} classes ({test.Split})",
            ]
            : [];

    private static IEnumerable<string> Own(Dataset data) => data.Remarks.Select(remark => $"{data.Name} ({data.Split}): {remark}");

    private IEnumerable<string> MeasuredOnTraining() =>
        recipe.Evaluation.Split == recipe.Data.Split
            ? [$"measured on the samples of {train.Split}, which it is trained on: figures say nothing about other samples"]
            : [];

    private IEnumerable<string> ChosenSplit() =>
        recipe.Evaluation.Split is null && recipe.Data.HoldsOut
            ?
            [
                $"measured on {test.Count} of the pictures, which are held out (data.minival={recipe.Data.Minival:0.####}), since "
                    + $"{recipe.Data.Root} has no split test or val",
            ]
        : recipe.Evaluation.Split is null && test.Split != "test" && recipe.Data.TrainClasses is null
            ? [$"measured on {test.Split}, since {test.Name} has no split test and evaluation.split names none"]
        : [];

    private IEnumerable<string> Absent()
    {
        // Classes that are not the model's have other numbers.
        if (!test.ClassNames.SequenceEqual(train.ClassNames))
            return [];
        if (test.Annotations.SamplesPerClass is not { } counts || train.Annotations.SamplesPerClass is not { } learned)
            return [];
        string[] absent =
        [
            .. counts.Index().Where(entry => entry.Item == 0 && learned[entry.Index] > 0).Select(entry => test.ClassNames[entry.Index]),
        ];
        return absent.Length == 0 ? [] : [$"{test.Name} ({test.Split}) has no samples of {ClassMapping.Named(absent)}"];
    }
}
