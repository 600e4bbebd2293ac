using Tessera.Testing;

namespace Tessera.Packages.Tests;

/// <summary>What a user does who has .NET, a libtorch and our packages: a new program with code of our pages, run and published.</summary>
[Collection(nameof(Feed))]
[Trait("Category", "Long")]
public sealed class UserTests(Feed feed) : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>A console program, as <c>dotnet new</c> makes it, with one package.</summary>
    private string Program(string package, string code, string properties = "")
    {
        Commands.Output(folder.Path, "dotnet", "new", "console", "-o", folder["app"]);
        feed.Configure(folder["app"]);
        Commands.Output(folder["app"], "dotnet", "add", "package", package, "--version", feed.Version);
        File.WriteAllText(folder["app/Program.cs"], code);
        if (properties.Length > 0)
            File.WriteAllText(folder["app/Directory.Build.props"], $"<Project>{properties}</Project>");
        return folder["app"];
    }

    [Fact]
    public void The_code_of_the_front_page_runs()
    {
        var output = Commands.Output(Program("Tessera", Checkout.CodeOf("Tessera")), "dotnet", "run");
        Assert.Matches(@"class \d+ of \d+\n$", output);
    }

    [Fact]
    public void A_model_of_the_users_own_learns_because_the_generator_came_along()
    {
        var code = Checkout
            .CodeOf("Tessera.Torch")
            .Replace(
                "sealed partial class Net",
                """
                var names = string.Join(' ', model.NamedParameters().Select(parameter => parameter.Name));
                var left = (model.Call(Torch.Ones([8, 3])) - 2).Square().Mean().ToDouble();
                Console.WriteLine($"{names}: {(left < 0.5 ? "learned" : left)}");

                sealed partial class Net
                """,
                StringComparison.Ordinal
            );
        // Through another package, too.
        var output = Commands.Output(Program("Tessera.Models", code), "dotnet", "run");
        Assert.Equal("hidden.weight hidden.bias head.weight head.bias: learned\n", output);
    }

    [Fact]
    public void A_published_program_holds_what_it_should_and_runs_elsewhere_with_an_empty_environment()
    {
        var app = Program(
            "Tessera",
            Checkout.CodeOf("Tessera")
                + """

                using var image = Tessera.Data.Imaging.Image.Open(args[0]);
                using var pixels = image.ToTensor();
                Console.WriteLine($"{pixels.Shape[2]} x {pixels.Shape[1]}");
                """,
            "<PropertyGroup><InvariantGlobalization>true</InvariantGlobalization></PropertyGroup>"
        );
        var image = Repository.Tests("samples", "images", "colour.png");
        string[] ours = ["libvips.so.42", feed.NativeName];
        (string Name, string[] Options, long Megabytes)[] ways =
        [
            ("dependent", ["--self-contained", "false"], 40),
            ("contained", ["--self-contained", "true"], 130),
            ("single", ["--self-contained", "true", "-p:PublishSingleFile=true"], 130),
        ];
        foreach (var (name, options, megabytes) in ways)
        {
            var published = folder[$"published/{name}"];
            Commands.Output(app, ["dotnet", "publish", "-r", "linux-x64", "-c", "Release", "-o", published, .. options]);
            var elsewhere = folder[$"elsewhere/{name}"];
            Directory.CreateDirectory(folder["elsewhere"]);
            Directory.Move(published, elsewhere);
            var files = new DirectoryInfo(elsewhere).GetFiles("*", SearchOption.AllDirectories);
            Assert.Equal(
                ours.Order(StringComparer.Ordinal),
                files
                    .Select(file => file.Name)
                    .Where(file => file.Contains(".so", StringComparison.Ordinal) && !IsOfRuntime(file))
                    .Order(StringComparer.Ordinal)
            );
            Assert.InRange(files.Sum(file => file.Length), 20_000_000, megabytes * 1_000_000);
            if (name == "single")
                Assert.DoesNotContain(files, file => file.Extension == ".dll");
            // The system's libvips where there is one, and that of the package beside Debian's libtorch.
            foreach (var variables in new[] { Array.Empty<string>(), [$"TESSERA_LIBVIPS={Path.Combine(elsewhere, ours[0])}"] })
            {
                var ended = Commands.Run(
                    "/",
                    ["env", "-i", .. variables, .. Host(name), Path.Combine(elsewhere, name == "dependent" ? "app.dll" : "app"), image]
                );
                Assert.True(ended.Code == 0, $"{name}: {ended.All}");
                Assert.Matches(@"^class \d+ of \d+\n\d+ x \d+\n$", ended.Output);
                Assert.Equal("", ended.Error);
            }
        }
    }

    // Without an environment, nothing says where .NET is.
    private static string[] Host(string way) =>
        way != "dependent" ? []
        : Environment.ProcessPath!.EndsWith("/dotnet", StringComparison.Ordinal) ? [Environment.ProcessPath]
        : ["dotnet"];

    private static bool IsOfRuntime(string file) =>
        new[] { "libSystem.", "libcoreclr", "libclr", "libhost", "libmscor" }.Any(start =>
            file.StartsWith(start, StringComparison.Ordinal)
        );

    [Fact]
    public void Without_a_libtorch_or_a_library_for_it_there_is_one_flat_error_and_it_stays_the_same()
    {
        const string Code = """
            using Tessera;

            for (var i = 0; i < 2; i++)
                try
                {
                    _ = Torch.Ones([1]);
                }
                catch (DllNotFoundException error)
                {
                    Console.WriteLine(error.Message);
                }
            Torch.Ones([1]);
            """;
        var app = Program("Tessera.Torch", Code);
        Commands.Output(app, "dotnet", "build", "-o", folder["built"]);
        Assert.StartsWith(
            $"TESSERA_LIBTORCH names {folder["nowhere"]}, where no libtorch is",
            Refusal(("TESSERA_LIBTORCH", folder["nowhere"])),
            StringComparison.Ordinal
        );
        // Any library looks like one of a version that is still to come: nobody loads it.
        folder.Write("torch/lib/libtorch_cpu.so", File.ReadAllBytes(Checkout.NativeLibrary));
        folder.Write("torch/version.py", "__version__ = '9.9.1+cpu'\n");
        folder.Write("torch/include/ATen/ATen.h", "");
        var message = Refusal(("TESSERA_LIBTORCH", folder["torch"]), ("PATH", folder["nowhere"]));
        Assert.StartsWith(
            $"Tessera found libtorch 9.9.1+cpu in {folder["torch/lib"]}, but the package Tessera.Torch 0.1.0 has a native library for "
                + $"{feed.NativeName["libtessera-".Length..^".so".Length]} only (looked in ",
            message,
            StringComparison.Ordinal
        );
        Assert.Contains("one cannot be built without g++ and cmake and make", message, StringComparison.Ordinal);

        string Refusal(params (string, string)[] environment)
        {
            var ended = Commands.Run(folder.Path, ["dotnet", folder["built/app.dll"]], environment);
            Assert.NotEqual(0, ended.Code);
            var lines = ended.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal(2, lines.Length);
            Assert.Equal(lines[0], lines[1]);
            Assert.Contains($"Unhandled exception. System.DllNotFoundException: {lines[0]}", ended.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("TypeInitializationException", ended.Error, StringComparison.Ordinal);
            return lines[0];
        }
    }

    [Fact]
    public void What_is_set_for_the_whole_process_is_left_off_by_the_program_or_by_its_user()
    {
        const string Code = """
            using System.Runtime.InteropServices;
            using Tessera;

            _ = Torch.Ones([1]);
            string? Native(string name) => Marshal.PtrToStringUTF8(getenv(name));
            Console.WriteLine($"{Native("GOMP_SPINCOUNT")} {Native("UCX_ERROR_SIGNALS") is not null}");

            [DllImport("libc")]
            static extern nint getenv(string name);
            """;
        var app = Program(
            "Tessera.Torch",
            Code,
            """<ItemGroup><RuntimeHostConfigurationOption Include="Tessera.QuietUcx" Value="false" /></ItemGroup>"""
        );
        Commands.Output(app, "dotnet", "build", "-o", folder["built"]);
        string Says(params (string, string)[] environment) =>
            Commands.Run(folder.Path, ["dotnet", folder["built/app.dll"]], environment).All;
        Assert.Equal("10000 False\n", Says());
        Assert.Equal(" False\n", Says(("TESSERA_SPIN_SHORTLY", "0")));
        Assert.Equal("10000 True\n", Says(("TESSERA_QUIET_UCX", "1")));
        Assert.Contains("TESSERA_QUIET_UCX is \"off\": it must be 0 or 1", Says(("TESSERA_QUIET_UCX", "off")), StringComparison.Ordinal);
    }
}
