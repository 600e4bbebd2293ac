using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Training.Bundles;
using Tessera.Training.Runs;

namespace Tessera.Training.Experiments;

/// <summary>The samples that the model of a run annotates.</summary>
internal static class Annotation
{
    /// <summary>The samples, and how many of them may be unreadable.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="bundle">The model of the run.</param>
    /// <param name="name">Data set; that of the run by default.</param>
    /// <param name="split">Part of it; by default the very samples that the model learned from.</param>
    /// <exception cref="RunException">There is no run.</exception>
    /// <exception cref="DataException">The data is not what the model takes.</exception>
    public static (LoadableDataset Samples, UnreadableLimit UnreadableLimit) Samples(
        string folder,
        ModelBundle bundle,
        string? name = null,
        string? split = null
    )
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: this folder holds no run ({Path.GetFileName(run.RecipePath)} is missing)");
        var recipe = Recipe.OfRun(run.RecipePath).Data;
        var (wanted, part) = (name ?? recipe.Name, split ?? recipe.Split);
        var data =
            wanted != recipe.Name ? Datasets.Open(wanted, part)
            : part == recipe.Split ? recipe.OpenTraining()
            : recipe.Open(part);
        return (bundle.Task.Prepare(data, bundle.Facts), recipe.Unreadable);
    }
}
