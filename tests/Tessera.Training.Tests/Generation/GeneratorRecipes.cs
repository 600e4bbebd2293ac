namespace Tessera.Training.Tests.Generation;

/// <summary>Recipes of the generator of these tests.</summary>
internal static class GeneratorRecipes
{
    static GeneratorRecipes()
    {
        RecipeParts.Register<PainterOptions>();
        RecipeParts.Register<MomentsOptions>();
    }

    /// <summary>Two epochs on bright rows of 28 pixels, measured after each.</summary>
    /// <param name="folder">Folder of <see cref="SmallMnist"/>.</param>
    /// <param name="model">What the recipe says of the model.</param>
    /// <param name="task">What it says of the task.</param>
    internal static string Text(
        string folder,
        string model = "{ name: painter, width: 7 }",
        string task = "{ name: generation, allow_few: true, pictures: 4, seed: 3 }"
    ) =>
        $$"""
            model: {{model}}
            task: {{task}}
            data: { name: fashion_mnist, batch: 16, root: {{folder}} }
            augment: [ random_horizontal_flip ]
            objective: moments
            optimizer: { name: adam, lr: 1e-2 }
            schedule: { name: constant, epochs: 2 }
            train: { threads: 1, ema: 0.5, log_every: 2 }
            """;

    /// <summary>The same, read.</summary>
    /// <param name="model">What it says of the model.</param>
    /// <param name="task">What it says of the task.</param>
    internal static Recipe Read(string model = "{ name: painter, width: 7 }", string task = "generation") =>
        Recipe.Parse(Text("data", model, task), "r.yaml");
}
