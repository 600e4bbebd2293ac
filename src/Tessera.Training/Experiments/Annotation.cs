using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Training.Runs;

namespace Tessera.Training.Experiments;

/// <summary>The images that the model of a run annotates.</summary>
public static class Annotation
{
    /// <summary>The images, and how many of them may be unreadable.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="name">Data set; that of the run by default.</param>
    /// <param name="split">Part of it; by default the very samples that the model learned from.</param>
    /// <exception cref="RunException">There is no run, or the data holds no images.</exception>
    public static (ImageDataset Images, UnreadableLimit UnreadableLimit) Images(string folder, string? name = null, string? split = null)
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: this folder holds no run ({Path.GetFileName(run.RecipePath)} is missing)");
        var recipe = Recipe.Load(run.RecipePath).Data;
        var (wanted, part) = (name ?? recipe.Name, split ?? recipe.Split);
        var data =
            wanted != recipe.Name ? Datasets.Open(wanted, part)
            : part == recipe.Split ? recipe.OpenTraining()
            : recipe.Open(part);
        return data is ImageDataset images
            ? (images, recipe.Unreadable)
            : throw new RunException($"{wanted} must hold images, since only images can be annotated");
    }
}
