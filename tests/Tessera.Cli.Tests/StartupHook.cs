using Tessera.Tests.Search.Toys;
using Tessera.Training.Recipes;

/// <summary>
/// What .NET calls before a program that is started with this assembly in DOTNET_STARTUP_HOOKS: the command line then knows the search
/// methods of the tests, in its workers, too. The name, without a namespace, is .NET's.
/// </summary>
internal static class StartupHook
{
    public static void Initialize()
    {
        RecipeParts.Register<ToyFormula>();
        RecipeParts.Register<ToyWidths>();
        RecipeParts.Register<ToyNetwork>();
    }
}
