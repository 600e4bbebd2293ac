using System.Diagnostics;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>A model in a project of its own, outside of the tree: what a reference to Tessera brings along.</summary>
[Trait("Category", "Long")]
public sealed class OwnProjectTests : IDisposable
{
    private const string Program = """
        using Tessera;
        using Tessera.Nn;
        using Tessera.Optim;

        var model = new Mine();
        Console.WriteLine(string.Join(' ', model.NamedParameters().Select(p => p.Name)));
        var optimizer = new AdamW(ParameterGroup.All(model, 0), 0.05);
        var losses = new List<double>();
        for (var step = 0; step < 20; step++)
        {
            using var scope = Torch.Scope();
            optimizer.ZeroGrad();
            var loss = (model.Call(Torch.Ones([1, 3])) - 2).Square().Mean();
            loss.Backward();
            optimizer.Step();
            losses.Add(loss.ToDouble());
        }
        Console.WriteLine(losses[^1] < losses[0] / 2 ? "learned" : $"the loss went from {losses[0]} to {losses[^1]}");

        abstract partial class Base : Layer
        {
            protected readonly Linear stem = new(3, 4);
        }

        sealed partial class Mine : Base
        {
            private readonly Linear headFc = new(4, 2);

            protected override Tensor Forward(Tensor input) => headFc.Call(stem.Call(input));
        }
        """;

    private readonly TempFolder folder = new();

    // Release or Debug: as these tests were built, so are the projects that they refer to.
    private static readonly string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;

    public void Dispose() => folder.Dispose();

    private string Dotnet(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = folder.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
                ["DOTNET_NOLOGO"] = "1",
                ["MSBUILDDISABLENODEREUSE"] = "1",
                ["TESSERA_NATIVE"] = Environment.GetEnvironmentVariable("TESSERA_NATIVE")
                    ?? Path.Combine(Repository.Root, "artifacts", "native", "system", "libtessera.so"),
            },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors.Result;
    }

    private string Built(string references, params string[] options)
    {
        folder.Write(
            "own.csproj",
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <OutputPath>out/</OutputPath>
                <AppendTargetFrameworkToOutputPath>false</AppendTargetFrameworkToOutputPath>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
              </PropertyGroup>
              <ItemGroup>
                {references}
              </ItemGroup>
            </Project>
            """
        );
        folder.Write("Program.cs", Program);
        return Dotnet(["build", "-c", configuration, "-v", "quiet", "-nologo", "-nodeReuse:false", "-tl:off", .. options]);
    }

    private string Run() => Dotnet(folder["out/own.dll"]);

    private static string Reference(string project) =>
        $"<ProjectReference Include=\"{Path.Combine(Repository.Root, "src", project, project + ".csproj")}\" />";

    private static readonly string[] asBuilt = ["-p:BuildProjectReferences=false"];

    [Theory]
    [InlineData("Tessera.Torch")]
    [InlineData("Tessera.Training")]
    public void A_project_that_refers_to_one_of_ours_trains_a_model_of_its_own(string project)
    {
        var output = Built(Reference(project), asBuilt);
        Assert.True(File.Exists(folder["out/own.dll"]), output);
        Assert.Equal("stem.weight stem.bias head_fc.weight head_fc.bias\nlearned\n", Run());
    }

    [Fact]
    public void Without_the_generator_its_model_is_refused_instead_of_learning_nothing()
    {
        var output = Built(Reference("Tessera.Torch"), [.. asBuilt, "-p:DisableTransitiveProjectReferences=true"]);
        Assert.True(File.Exists(folder["out/own.dll"]), output);
        Assert.Contains("Mine.headFc would be neither trained nor saved", Run(), StringComparison.Ordinal);
    }
}
