using Tessera.Cli.Shell;
using Tessera.Training;

namespace Tessera.Cli.Inputs;

/// <summary>Finds recipes: files, or names of those that come with the program.</summary>
internal static class RecipeFinder
{
    /// <summary>The default recipe of <c>tessera train</c>.</summary>
    internal const string Default = "cct/fashion_mnist";

    private const string Extension = ".yaml";

    /// <summary>The recipes of the checkout that this program was built in; null when it was taken elsewhere.</summary>
    private static string? Folder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Path.Combine(folder.FullName, "recipes") is var recipes && File.Exists(Path.Combine(recipes, Default + Extension)))
                return recipes;
        return null;
    }

    /// <summary>Names of the recipes that come with the program, as in <c>cct/fashion_mnist</c>.</summary>
    internal static IReadOnlyList<string> Names() =>
        Folder() is { } folder
            ?
            [
                .. Directory
                    .EnumerateFiles(folder, "*" + Extension, SearchOption.AllDirectories)
                    .Select(file => Path.GetRelativePath(folder, file)[..^Extension.Length])
                    .Order(),
            ]
            : [];

    /// <summary>Path of a recipe.</summary>
    /// <exception cref="UserException">There is none.</exception>
    internal static string Find(string? recipe)
    {
        if (recipe is not null && File.Exists(recipe))
            return recipe;
        var name = recipe ?? Default;
        if (
            Folder() is { } folder
            && Path.Combine(folder, name.EndsWith(Extension, StringComparison.Ordinal) ? name : name + Extension) is var own
            && File.Exists(own)
        )
            return Path.GetRelativePath(Environment.CurrentDirectory, own) is var shorter && shorter.Length < own.Length ? shorter : own;
        var near = Spelling.Nearest(name, Names()).Take(3).ToArray();
        throw new UserException(
            $"there is no recipe {name}{(near.Length == 0 ? "" : $"; the nearest names are {string.Join(", ", near)}")}"
        );
    }
}
